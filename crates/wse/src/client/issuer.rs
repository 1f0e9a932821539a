//! Reads who issued a certificate, for the text of an error. It judges nothing: any bytes are read, and
//! what is no certificate has no issuer.

/// The tags of DER that are read (X.690).
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// The attributes commonName and organizationName (RFC 5280 section 4.1.2.4).
const NAMES: [&[u8]; 2] = [&[0x55, 4, 3], &[0x55, 4, 10]];

/// Longer names are cut.
const CHARS: usize = 100;

/// The common name of the issuer, or its organization.
pub(crate) fn issuer(certificate: &[u8]) -> Option<String> {
    let (mut to_be_signed, _) = inside(inside(certificate, SEQUENCE)?.0, SEQUENCE)?;
    if let Some((_, rest)) = inside(to_be_signed, VERSION) {
        to_be_signed = rest;
    }
    let (_, _, rest) = element(to_be_signed)?; // the serial number
    let (_, _, rest) = element(rest)?; // the algorithm of the signature
    let (issuer, _) = inside(rest, SEQUENCE)?;
    NAMES.iter().find_map(|name| attribute(issuer, name))
}

/// The value of an attribute of a name, printable.
fn attribute(mut name: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((set, rest)) = inside(name, SET) {
        name = rest;
        let (pair, _) = inside(set, SEQUENCE)?;
        let (_, kind, value) = element(pair)?;
        if kind == wanted {
            let (_, text, _) = element(value)?;
            let text = String::from_utf8_lossy(text);
            return Some(text.chars().filter(|char| !char.is_control()).take(CHARS).collect());
        }
    }
    None
}

/// The contents of an element with this tag, and what follows it.
fn inside(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = element(der)?;
    (tag == wanted).then_some((contents, rest))
}

/// The first element: its tag, its contents, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None, // no certificate is longer than 16 MiB
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn signed(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(["h.example".to_owned()]).expect("a name");
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in names {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_issuer_is_its_common_name_or_its_organization() {
        let both = signed(&[(DnType::OrganizationName, "Corp"), (DnType::CommonName, "Corp Root \u{1b}[1m1")]);
        assert_eq!(issuer(&both).as_deref(), Some("Corp Root [1m1"));
        assert_eq!(issuer(&signed(&[(DnType::OrganizationName, "Corp")])).as_deref(), Some("Corp"));
        assert_eq!(issuer(&signed(&[])), None);
        let long = "x".repeat(300);
        assert_eq!(issuer(&signed(&[(DnType::CommonName, &long)])).map(|name| name.len()), Some(CHARS));
    }

    proptest::proptest! {
        #[test]
        fn broken_certificates_have_no_issuer_and_never_panic(at: usize, byte: u8, end: usize) {
            let mut certificate = signed(&[(DnType::CommonName, "Corp")]);
            let length = certificate.len();
            certificate[at % length] = byte;
            issuer(&certificate);
            issuer(&certificate[..end % length]);
        }
    }
}
