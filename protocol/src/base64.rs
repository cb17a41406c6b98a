//! Base64 (RFC 4648) in both alphabets that are needed, and pairs of hexadecimal digits.
//!
//! Small on purpose: a general library took 5 KB of the browser module. Nothing secret is compared here, so it need not
//! run in constant time. A text is read only if writing its bytes again gives the same text.

/// Which characters stand for 62 and 63, and whether the text is filled up with `=`.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As in SDP: `+`, `/`, filled up.
    Standard,
    /// As in addresses and subprotocols: `-`, `_`, not filled up.
    Url,
}

impl Form {
    fn last_two(self) -> [u8; 2] {
        match self {
            Self::Standard => *b"+/",
            Self::Url => *b"-_",
        }
    }

    fn character(self, six_bits: u8) -> char {
        char::from(match six_bits {
            0..26 => b'A' + six_bits,
            26..52 => b'a' + six_bits - 26,
            52..62 => b'0' + six_bits - 52,
            _ => self.last_two()[usize::from(six_bits == 63)],
        })
    }

    fn six_bits(self, character: u8) -> Option<u8> {
        Some(match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            other if other == self.last_two()[0] => 62,
            other if other == self.last_two()[1] => 63,
            _ => return None,
        })
    }
}

pub(crate) fn encode(form: Form, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            if at <= group.len() {
                text.push(form.character((bits >> (18 - 6 * at)) as u8 & 0x3f));
            } else if matches!(form, Form::Standard) {
                text.push('=');
            }
        }
    }
    text
}

/// None when the text is not what [`encode`] writes.
pub(crate) fn decode(form: Form, text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for character in digits.bytes() {
        bits = bits << 6 | u32::from(form.six_bits(character)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // Catches wrong filling, a lone digit at the end, and bits that stand for nothing.
    (encode(form, &bytes) == text).then_some(bytes)
}

/// Reads pairs of hexadecimal digits of either case. None unless they are exactly `N`.
pub(crate) fn hex<const N: usize>(mut digits: impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut digit = || char::from(digits.next()?).to_digit(16);
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = (digit()? << 4 | digit()?) as u8;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Form, decode, encode, hex};

    #[test]
    fn the_examples_of_rfc_4648() {
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, text) in examples {
            assert_eq!(encode(Form::Standard, plain.as_bytes()), text);
            assert_eq!(decode(Form::Standard, text).as_deref(), Some(plain.as_bytes()));
            let bare = text.trim_end_matches('=');
            assert_eq!(encode(Form::Url, plain.as_bytes()), bare);
            assert_eq!(decode(Form::Url, bare).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn every_character_and_every_byte() {
        let bytes: Vec<u8> = (0..=255).chain(0..=255).chain([0xfb, 0xff, 0xbf]).collect();
        for form in [Form::Standard, Form::Url] {
            for len in 0..bytes.len() {
                let text = encode(form, &bytes[..len]);
                assert_eq!(decode(form, &text).as_deref(), Some(&bytes[..len]), "{text}");
            }
        }
        assert_eq!(encode(Form::Standard, &[0xfb, 0xff, 0xbf]), "+/+/");
        assert_eq!(encode(Form::Url, &[0xfb, 0xff, 0xbf]), "-_-_");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["Zg", "Zg=", "Zg===", "Zh==", "Z", "Zm9v=", "Zm9v====", "Zm 9v", "-_-_", "Zg==Zg==", "Zmé="]
        {
            assert_eq!(decode(Form::Standard, text), None, "{text}");
        }
        for text in ["Zg==", "Zh", "Z", "+/+/", "=", "Zm9v\n"] {
            assert_eq!(decode(Form::Url, text), None, "{text}");
        }
    }

    #[test]
    fn hexadecimal_of_either_case_and_exact_length() {
        assert_eq!(hex("0aFf".bytes()), Some([0x0a, 0xff]));
        for text in ["0aF", "0aFf0", "0aFg", "", "+aff", "é0a"] {
            assert_eq!(hex::<2>(text.bytes()), None, "{text}");
        }
    }
}
