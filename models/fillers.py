"""What the bot says while an answer is still being worked on, in the language of the call."""

# ruff: noqa: RUF001 - letters of other scripts are meant.
from __future__ import annotations

_FILLERS: dict[str, tuple[str, ...]] = {
    "ar": ("لحظة من فضلك.", "ما زلت أعمل على ذلك."),
    "cs": ("Moment, prosím.", "Ještě chvilku, prosím."),
    "da": ("Et øjeblik.", "Jeg er stadig i gang."),
    "de": ("Einen Moment, bitte.", "Ich bin noch dabei."),
    "el": ("Μια στιγμή, παρακαλώ.", "Ακόμα λίγη υπομονή, παρακαλώ."),
    "en": ("One moment, please.", "I am still working on it."),
    "es": ("Un momento, por favor.", "Sigo en ello."),
    "fi": ("Hetkinen, olkaa hyvä.", "Vielä pieni hetki."),
    "fr": ("Un instant, s'il vous plaît.", "Encore un petit instant."),
    "hi": ("एक क्षण रुकिए।", "बस थोड़ा और समय।"),
    "hu": ("Egy pillanat, kérem.", "Még egy kis türelmet kérek."),
    "id": ("Mohon tunggu sebentar.", "Sebentar lagi, ya."),
    "it": ("Un momento, per favore.", "Ancora un attimo."),
    "ja": ("少々お待ちください。", "もう少々お待ちください。"),
    "ko": ("잠시만 기다려 주세요.", "조금만 더 기다려 주세요."),
    "nb": ("Et øyeblikk.", "Jeg holder fortsatt på."),
    "nl": ("Een moment, alstublieft.", "Ik ben er nog mee bezig."),
    "no": ("Et øyeblikk.", "Jeg holder fortsatt på."),
    "pl": ("Chwileczkę, proszę.", "Jeszcze chwilę, proszę."),
    "pt": ("Um momento, por favor.", "Só mais um instante."),
    "ro": ("Un moment, vă rog.", "Încă puțină răbdare, vă rog."),
    "ru": ("Одну минуту, пожалуйста.", "Ещё немного, пожалуйста."),
    "sv": ("Ett ögonblick.", "Jag håller fortfarande på."),
    "th": ("กรุณารอสักครู่", "ขอเวลาอีกสักครู่"),
    "tr": ("Bir dakika lütfen.", "Biraz daha bekleyin lütfen."),
    "uk": ("Одну хвилину, будь ласка.", "Ще трохи, будь ласка."),
    "vi": ("Xin chờ một chút.", "Xin chờ thêm một chút."),
    "zh": ("请稍等。", "请再稍等一下。"),
}


def fillers_of(language: str) -> tuple[str, ...]:
    """Return the fillers of a language, in the order in which they are said.

    Args:
        language: BCP 47 tag; '' for English. Only its first part counts.

    Returns:
        At least two texts; none for a language of which no fillers are known, since a sentence in another one would be
        odder than the silence.
    """
    return _FILLERS.get(language.partition("-")[0].lower() or "en", ())
