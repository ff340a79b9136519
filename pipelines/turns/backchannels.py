"""What listeners say without meaning to take the turn, by language."""

# ruff: noqa: RUF001 - letters of other scripts are meant.
from __future__ import annotations

_EVERYWHERE = ("mm", "mhm", "mm hm", "m hm", "hm", "uh huh", "aha", "ah", "oh", "ok", "okay")
"""As recognisers of any language write them; runs of one letter count as one ("mmm", "hmm")."""

_BY_LANGUAGE: dict[str, tuple[str, ...]] = {
    "en": (
        *("yeah", "yea", "yep", "yup", "yes", "right", "sure", "alright", "all right", "i see", "got it", "of course"),
        *(
            "true",
            "exactly",
            "good",
            "great",
            "fine",
            "cool",
            "nice",
            "perfect",
            "understood",
            "makes sense",
            "uh",
            "um",
        ),
        *("oh really", "really", "i understand", "that is right", "thats right"),
    ),
    "de": ("ja", "jo", "genau", "gut", "klar", "stimmt", "richtig", "alles klar", "verstehe", "ich verstehe", "ach so"),
    "es": ("sí", "si", "claro", "vale", "bueno", "bien", "ya", "ajá", "entiendo", "de acuerdo", "exacto", "correcto"),
    "fr": ("oui", "ouais", "d'accord", "bien", "très bien", "bien sûr", "je vois", "voilà", "exactement", "c'est ça"),
    "it": ("sì", "si", "certo", "va bene", "bene", "capito", "ho capito", "esatto", "giusto", "d'accordo"),
    "pt": ("sim", "é", "claro", "certo", "tá", "tá bom", "está bem", "isso", "entendi", "pois", "pois é", "exato"),
    "nl": ("ja", "jawel", "goed", "klopt", "precies", "juist", "begrepen", "ik snap het", "oké"),
    "pl": ("tak", "no", "jasne", "dobrze", "dobra", "rozumiem", "właśnie", "zgadza się"),
    "ru": ("да", "ага", "угу", "хорошо", "ладно", "понятно", "ясно", "точно", "так"),
    "tr": ("evet", "tamam", "peki", "anladım", "doğru", "hı hı", "olur"),
    "ar": ("نعم", "اه", "طيب", "تمام", "حسنا", "فهمت"),
    "hi": ("हाँ", "हां", "जी", "जी हाँ", "अच्छा", "ठीक है", "ठीक", "समझ गया"),
    "ja": ("はい", "うん", "ええ", "そう", "そうですね", "そうですか", "なるほど", "わかりました", "分かりました"),
    "ko": ("네", "예", "응", "음", "어", "그렇군요", "그래요", "그래", "맞아요", "알겠습니다", "아"),
    "zh": ("嗯", "对", "好", "好的", "是", "是的", "对对", "行", "明白", "知道了", "哦", "啊"),
}


def backchannels_of(language: str) -> tuple[str, ...]:
    """Return the phrases with which a listener of a language only shows that they listen.

    Args:
        language: BCP 47 tag; '' for English. A language without a list of its own has the sounds that all share.
    """
    return _EVERYWHERE + _BY_LANGUAGE.get((language or "en").partition("-")[0].lower(), ())
