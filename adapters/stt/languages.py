"""Which languages the recognisers understand, in each vendor's own form.

From the vendors' documentation, whose address stands with each list. A language that is missing here is refused when an
AI is saved, in place of a call in which nobody is understood.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.errors import InvalidField
from models.providers import SttType

DEEPGRAM = (
    *("multi", "af", "ar", "ar-AE", "ar-DZ", "ar-EG", "ar-IQ", "ar-IR", "ar-JO", "ar-KW", "ar-LB", "ar-MA", "ar-PS"),
    *("ar-QA", "ar-SA", "ar-SD", "ar-SY", "ar-TD", "ar-TN", "be", "bg", "bn", "bs", "ca", "cs", "da", "da-DK", "de"),
    *("de-CH", "el", "en", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US", "es", "es-419", "et", "fa", "fi", "fr"),
    *("fr-CA", "gu", "gu-IN", "he", "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "kn", "ko", "ko-KR", "lt", "lv"),
    *("mk", "mr", "ms", "ne", "nl", "nl-BE", "no", "pa", "pa-IN", "pl", "pt", "pt-BR", "pt-PT", "ro", "ru", "sk"),
    *("sl", "sr", "sv", "sv-SE", "ta", "te", "th", "th-TH", "tl", "tr", "uk", "ur", "vi", "zh", "zh-CN", "zh-HK"),
    *("zh-Hans", "zh-Hant", "zh-TW"),
)
"""Deepgram's nova-3 (https://developers.deepgram.com/docs/models-languages-overview), ``multi`` for a mix of them."""

DEEPGRAM_NOVA_2 = (
    *("multi", "bg", "ca", "cs", "da", "da-DK", "de", "de-CH", "el", "en", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US"),
    *("es", "es-419", "et", "fi", "fr", "fr-CA", "hi", "hu", "id", "it", "ja", "ko", "ko-KR", "lt", "lv", "ms", "nl"),
    *("nl-BE", "no", "pl", "pt", "pt-BR", "pt-PT", "ro", "ru", "sk", "sv", "sv-SE", "th", "th-TH", "tr", "uk", "vi"),
    *("zh", "zh-CN", "zh-HK", "zh-Hans", "zh-Hant", "zh-TW"),
)
"""Deepgram's nova-2, from the same page: far fewer than its successor."""

DEEPGRAM_ALIASES: Mapping[str, str] = {
    "fil": "tl",
    "iw": "he",
    "nb": "no",
    "nn": "no",
    "yue": "zh-HK",
    "zh-mo": "zh-HK",
    "zh-hans-cn": "zh-CN",
    "zh-hant-hk": "zh-HK",
    "zh-hant-tw": "zh-TW",
    **{f"es-{region}": "es-419" for region in ("ar", "bo", "cl", "co", "cr", "cu", "do", "ec", "gt", "hn", "mx", "ni")},
    **{f"es-{region}": "es-419" for region in ("pa", "pe", "pr", "py", "sv", "us", "uy", "ve")},
}
"""BCP 47 tags for which Deepgram has another name. The Spanish of the Americas is one language to it."""

CARTESIA = (
    *("af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el"),
    *("en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy"),
    *("id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi"),
    *("mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru"),
    *("sa", "sd", "si", "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl"),
    *("tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "yue", "zh"),
)
"""Cartesia's ink-whisper (https://docs.cartesia.ai/build-with-cartesia/stt-models/older-models)."""

CARTESIA_INK_2 = ("en",)
"""Cartesia's ink-2 (https://docs.cartesia.ai/build-with-cartesia/stt-models/latest)."""

CARTESIA_ALIASES: Mapping[str, str] = {"fil": "tl", "iw": "he", "jv": "jw", "nb": "no", "zh-hk": "yue", "zh-mo": "yue"}
"""BCP 47 tags for which Cartesia has another name."""

_INK_WHISPER = "ink-whisper"

_ISO_639_3 = (
    "af:afr am:amh ar:ara as:asm az:aze be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell "
    "en:eng es:spa et:est fa:fas ff:ful fi:fin fr:fra ga:gle gl:glg gu:guj ha:hau he:heb hi:hin hr:hrv hu:hun "
    "hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ku:kur ky:kir lb:ltz "
    "lg:lug ln:lin lo:lao lt:lit lv:lav mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya ne:nep nl:nld "
    "no:nor ny:nya oc:oci or:ori pa:pan pl:pol ps:pus pt:por ro:ron ru:rus sd:snd sk:slk sl:slv sn:sna so:som "
    "sr:srp sv:swe sw:swa ta:tam te:tel tg:tgk th:tha tr:tur uk:ukr ur:urd uz:uzb vi:vie wo:wol xh:xho zh:zho "
    "zu:zul iw:heb nb:nor nn:nor tl:fil zh-hk:yue zh-mo:yue"
)

ELEVENLABS_ALIASES: Mapping[str, str] = dict(pair.split(":") for pair in _ISO_639_3.split())
"""BCP 47 to ISO 639-3."""

ELEVENLABS = tuple(sorted({*ELEVENLABS_ALIASES.values(), *("ast", "ceb", "fil", "kea", "luo", "nso", "umb", "yue")}))
"""ElevenLabs' scribe_v2_realtime (https://elevenlabs.io/docs/overview/capabilities/speech-to-text), in ISO 639-3."""


MODELS: Mapping[SttType, Mapping[str, tuple[str, ...]]] = {
    SttType.DEEPGRAM: {"nova-2": DEEPGRAM_NOVA_2},
    SttType.CARTESIA: {"ink-2": CARTESIA_INK_2},
}
"""The languages of models that understand fewer than their vendor does, by the beginning of the model's name."""


def check_model(stt_type: SttType, model: str, language: str) -> None:
    """Check that a model understands a language.

    Args:
        stt_type: The vendor.
        model: The vendor's name of the model; '' to have one chosen.
        language: The vendor's form of the language; '' for the model's default.

    Raises:
        InvalidField: It does not; names ``stt_language``.
    """
    for beginning, understood in MODELS.get(stt_type, {}).items():
        if language and model.startswith(beginning) and language not in understood:
            raise InvalidField("stt_language", f"{model} understands only: {', '.join(understood)}")


def cartesia_model(wanted: str, language: str, newest: str) -> str:
    """Choose Cartesia's model: the newest one where it understands the language.

    Args:
        wanted: The option ``model``; '' to have one chosen.
        language: Cartesia's form of the language; '' for the default.
        newest: Cartesia's newest model.

    Raises:
        InvalidField: The wanted model does not understand the language; names ``stt_language``.
    """
    if not wanted:
        return newest if not language or language in CARTESIA_INK_2 else _INK_WHISPER
    check_model(SttType.CARTESIA, wanted, language)
    return wanted
