"""Which languages the recognisers on models of one's own understand, in each system's own form."""

from __future__ import annotations

from collections.abc import Mapping

WHISPER_LANGUAGES = (
    *("af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el"),
    *("en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy"),
    *("id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi"),
    *("mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru"),
    *("sa", "sd", "si", "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl"),
    *("tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "yue", "zh"),
)
"""Those of Whisper's models without ``.en`` (https://github.com/openai/whisper/blob/main/whisper/tokenizer.py)."""

WHISPER_ALIASES: Mapping[str, str] = {"cmn": "zh", "fil": "tl", "iw": "he", "jv": "jw", "nb": "no"}
"""BCP 47 tags for which Whisper has another name."""

MOONSHINE_LANGUAGES = ("ar", "de", "en", "es", "ja", "ko", "tl", "uk", "vi", "zh")
"""Those for which Moonshine has models, each of which knows one
(https://github.com/moonshine-ai/moonshine/blob/main/docs/models/available-models.md)."""

MOONSHINE_ALIASES: Mapping[str, str] = {"cmn": "zh", "fil": "tl"}
"""BCP 47 tags for which Moonshine has another name."""
