"""What Amazon's services need to know beside the key; read by the tables, so nothing of the SDK is imported here."""

from __future__ import annotations

from adapters.seats import ProviderOption

REGION = ProviderOption(
    name="region",
    summary="Region of Amazon's cloud",
    variable="AWS_REGION",
    default="us-east-1",
    # It becomes a part of a host name.
    pattern=r"[a-z]{2,3}(-[a-z]{2,12}){1,2}-[0-9]{1,2}",
)
"""Where the vendor's machines stand."""

ENGINE = ProviderOption(
    name="engine",
    summary="Polly's engine; when none is given, neural or what else the voice has",
    pattern="(standard|neural|long-form|generative)?",
)
"""How Polly makes the voice (https://docs.aws.amazon.com/polly/latest/dg/voice-engines-polly.html)."""

TEXT_TYPE = ProviderOption(
    name="text_type",
    summary="text, or ssml where the prompt makes the model write Polly's SSML tags within its sentences",
    default="text",
    pattern="text|ssml",
)
"""What Polly takes a sentence for (https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html)."""

POLLY_LANGUAGES = (
    "arb",
    "ar-AE",
    "ca-ES",
    "cmn-CN",
    "cs-CZ",
    "cy-GB",
    "da-DK",
    "de-AT",
    "de-CH",
    "de-DE",
    "en-AU",
    "en-GB",
    "en-GB-WLS",
    "en-IE",
    "en-IN",
    "en-NZ",
    "en-SG",
    "en-US",
    "en-ZA",
    "es-ES",
    "es-MX",
    "es-US",
    "fi-FI",
    "fr-BE",
    "fr-CA",
    "fr-FR",
    "hi-IN",
    "is-IS",
    "it-IT",
    "ja-JP",
    "ko-KR",
    "nb-NO",
    "nl-BE",
    "nl-NL",
    "pl-PL",
    "pt-BR",
    "pt-PT",
    "ro-RO",
    "ru-RU",
    "sv-SE",
    "tr-TR",
    "yue-CN",
)
"""The languages of Polly's voices (https://docs.aws.amazon.com/polly/latest/dg/supported-languages.html)."""

POLLY_LANGUAGE_ALIASES = {
    "ar": "arb",
    "ca": "ca-ES",
    "cs": "cs-CZ",
    "cy": "cy-GB",
    "da": "da-DK",
    "de": "de-DE",
    "en": "en-US",
    "es": "es-ES",
    "fi": "fi-FI",
    "fr": "fr-FR",
    "hi": "hi-IN",
    "is": "is-IS",
    "it": "it-IT",
    "ja": "ja-JP",
    "ko": "ko-KR",
    "nb": "nb-NO",
    "nl": "nl-NL",
    "no": "nb-NO",
    "pl": "pl-PL",
    "pt": "pt-PT",
    "ro": "ro-RO",
    "ru": "ru-RU",
    "sv": "sv-SE",
    "tr": "tr-TR",
    "yue": "yue-CN",
    "zh": "cmn-CN",
    "zh-hk": "yue-CN",
}
"""BCP 47 tags in small letters, to Polly's codes."""
