//! The forms of signatures in a header: alone, in a list, as `t=…,v1=…`, and other forms that providers use.
//!
//! The parser returns all accepted signatures, in groups: the signatures of a group share its fields (its timestamp).
//! A signature with another tag is skipped, because providers add versions this way. It never counts, so a weaker
//! version beside the right one does not help a forger.

use super::Params;
use super::crypto::Encoding;
use super::verdict::Reason;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The form of a signature header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One signature.
    #[default]
    Bare,
    /// Several, with this between them.
    List(String),
    /// `t=…,v1=…`.
    Fields(Fields),
    /// `name|signature` in a list; the names say which key it is, and are not looked at.
    Tagged(Tagged),
    /// The timestamp first, then the signatures, with this between them.
    Positional(String),
    /// Base64 of a JSON object; its member of this name is the signature.
    Json(String),
}

/// Fields with names, one or several of which are signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fields {
    /// The name of the fields that hold signatures.
    pub signature: String,
    /// The separator between fields.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// The separator between groups of fields, if a header has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// Whether the values are in double quotes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quoted: bool,
    /// Further fields that are sent, with their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub send: Vec<(String, String)>,
}

/// A list of signatures with the names of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tagged {
    /// The separator between items.
    pub delimiter: String,
    /// The separator between name and signature; the last one counts.
    pub tag: String,
    /// The name that is sent; `{param:x}` is a parameter of the account.
    pub send: String,
}

fn comma() -> String {
    ",".to_owned()
}

/// Signatures of a header that belong together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) fields: Vec<(&'a str, &'a str)>,
    pub(super) signatures: Vec<Cow<'a, str>>,
}

/// What stands around the name of a parameter.
const PARAMETER: (&str, &str) = ("{param:", "}");

impl Form {
    /// The parameter of the account that is sent in it.
    pub(super) fn param(&self) -> Option<&str> {
        match self {
            Self::Tagged(form) => form.send.strip_prefix(PARAMETER.0)?.strip_suffix(PARAMETER.1),
            _ => None,
        }
    }

    /// The form with its parameter's value.
    pub(super) fn with(&self, params: &Params) -> Result<Cow<'_, Self>, Reason> {
        match (self, self.param()) {
            (Self::Tagged(form), Some(name)) => {
                let value = params.get(name).ok_or_else(|| Reason::Parameter(name.to_owned()))?;
                Ok(Cow::Owned(Self::Tagged(Tagged { send: value.clone(), ..form.clone() })))
            }
            _ => Ok(Cow::Borrowed(self)),
        }
    }

    /// The texts of its own that it puts into a header.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, pairs): (Vec<&str>, &[(String, String)]) = match self {
            Self::Bare => (Vec::new(), &[]),
            Self::List(text) | Self::Positional(text) | Self::Json(text) => (vec![text], &[]),
            Self::Tagged(form) => (vec![&form.delimiter, &form.tag, &form.send], &[]),
            Self::Fields(form) => (vec![&form.signature, &form.delimiter], &form.send),
        };
        one.into_iter().chain(pairs.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
    }

    /// What is in a header's value.
    pub(super) fn read<'a>(&self, value: &'a str, prefix: &str) -> Vec<Group<'a>> {
        let bare = |item: &'a str| item.trim().strip_prefix(prefix).map(Cow::Borrowed);
        let alone = |signatures: Vec<Cow<'a, str>>| vec![Group { fields: Vec::new(), signatures }];
        match self {
            Self::Bare => alone(bare(value).into_iter().collect()),
            Self::List(delimiter) => alone(value.split(delimiter.as_str()).filter_map(bare).collect()),
            Self::Tagged(form) => alone(
                value
                    .split(form.delimiter.as_str())
                    .filter_map(|item| {
                        item.trim().rsplit_once(form.tag.as_str()).map(|(_, signature)| signature.into())
                    })
                    .collect(),
            ),
            Self::Positional(delimiter) => {
                let mut items = value.split(delimiter.as_str()).map(str::trim);
                let time = items.next().unwrap_or_default();
                vec![Group { fields: vec![("ts", time)], signatures: items.map(Cow::Borrowed).collect() }]
            }
            Self::Json(member) => alone(json_member(value, member).into_iter().map(Cow::Owned).collect()),
            Self::Fields(form) => match &form.groups {
                Some(between) => {
                    value.split(between.as_str()).map(|group| form.read(group, prefix)).collect()
                }
                None => vec![form.read(value, prefix)],
            },
        }
    }

    /// The values of the header, one for each place there is (`places`), newest signature first.
    pub(super) fn write(
        &self,
        signatures: &[String],
        prefix: &str,
        time: Option<(&str, &str)>,
        places: usize,
    ) -> Vec<String> {
        let prefixed = |signature: &String| format!("{prefix}{signature}");
        match self {
            Self::Bare => signatures.iter().take(places.max(1)).map(prefixed).collect(),
            Self::List(delimiter) => {
                vec![signatures.iter().map(prefixed).collect::<Vec<_>>().join(delimiter)]
            }
            Self::Tagged(form) => {
                let items: Vec<String> = signatures
                    .iter()
                    .map(|signature| format!("{}{}{signature}", form.send, form.tag))
                    .collect();
                vec![items.join(&form.delimiter)]
            }
            Self::Json(member) => {
                let signature = signatures.first().map(String::as_str).unwrap_or_default();
                vec![Encoding::Base64.encode(serde_json::json!({ member: signature }).to_string().as_bytes())]
            }
            Self::Positional(delimiter) => {
                let time = time.map(|(_, value)| value.to_owned());
                let items: Vec<String> = time.into_iter().chain(signatures.iter().cloned()).collect();
                vec![items.join(delimiter)]
            }
            Self::Fields(form) => {
                let signed = signatures.iter().map(|signature| (form.signature.clone(), prefixed(signature)));
                let time = time.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let all = time.into_iter().chain(form.send.iter().cloned()).chain(signed);
                let quote = if form.quoted { "\"" } else { "" };
                let pairs: Vec<String> =
                    all.map(|(name, value)| format!("{name}={quote}{value}{quote}")).collect();
                vec![pairs.join(&form.delimiter)]
            }
        }
    }

    /// What a signature that counts begins with, for a sentence.
    pub(super) fn expected(&self, prefix: &str) -> String {
        match self {
            Self::Fields(form) => format!("{}={prefix}", form.signature),
            Self::Tagged(form) => format!("name{}", form.tag),
            Self::Positional(delimiter) => format!("timestamp{delimiter}"),
            Self::Json(member) => format!("base64 of JSON with '{member}"),
            _ => prefix.to_owned(),
        }
    }
}

/// The text of a member of a JSON object that is written in base64.
fn json_member(value: &str, member: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(&Encoding::Base64.decode(value.trim())?).ok()?;
    Some(json.get(member)?.as_str()?.to_owned())
}

impl Fields {
    fn read<'a>(&self, text: &'a str, prefix: &str) -> Group<'a> {
        let mut group = Group::default();
        for item in text.split(self.delimiter.as_str()) {
            let Some((name, value)) = item.trim().split_once('=') else { continue };
            let value = match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
                Some(inner) if self.quoted => inner,
                _ => value,
            };
            if name == self.signature {
                group.signatures.extend(value.strip_prefix(prefix).map(Cow::Borrowed));
            } else {
                group.fields.push((name, value));
            }
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(signature: &str, delimiter: &str, groups: Option<&str>) -> Form {
        Form::Fields(Fields {
            signature: signature.into(),
            delimiter: delimiter.into(),
            groups: groups.map(str::to_owned),
            quoted: false,
            send: Vec::new(),
        })
    }

    #[test]
    fn every_signature_that_counts_is_found_and_no_other() {
        let list = Form::List(" ".into());
        assert_eq!(list.read("v1,a v1a,b v1,c v2,d", "v1,")[0].signatures, ["a", "c"]);
        let stripe = fields("v1", ",", None).read("t=1, v1=a,v0=b,v1=c==,x", "");
        assert_eq!(
            stripe,
            [Group { fields: vec![("t", "1"), ("v0", "b")], signatures: vec!["a".into(), "c==".into()] }]
        );
        let groups = fields("v1", ",", Some(" ")).read("t=1,v1=a t=2,v1=b", "");
        assert_eq!(groups[1], Group { fields: vec![("t", "2")], signatures: vec!["b".into()] });
        let recurly = Form::Positional(",".into()).read("17,a,b", "");
        assert_eq!(recurly, [Group { fields: vec![("ts", "17")], signatures: vec!["a".into(), "b".into()] }]);
        let tagged = Tagged { delimiter: "&".into(), tag: "|".into(), send: "k".into() };
        assert_eq!(Form::Tagged(tagged).read("k1|a&k2|b&c", "")[0].signatures, ["a", "b"]);
        assert!(Form::Bare.read("sha1=a", "sha256=")[0].signatures.is_empty(), "no downgrade");
    }

    #[test]
    fn quoted_values_are_read_without_their_quotes() {
        let mut form = fields("signature", ",", None);
        if let Form::Fields(form) = &mut form {
            form.quoted = true;
        }
        let group = &form.read(r#"keyid="k", signature="abc=", headers="a b""#, "")[0];
        assert_eq!((group.signatures[0].as_ref(), group.fields[1]), ("abc=", ("headers", "a b")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(signatures in prop::collection::vec("[A-Za-z0-9+/]{1,20}={0,2}", 1..4), ts in "[0-9]{1,13}") {
            let forms = [
                (Form::List(" ".into()), "v1,"),
                (Form::List(",".into()), ""),
                (fields("v1", ",", None), ""),
                (fields("h1", ";", Some(" ")), ""),
                (Form::Tagged(Tagged { delimiter: "&".into(), tag: "|".into(), send: "k".into() }), ""),
                (Form::Positional(",".into()), ""),
            ];
            let json = Form::Json("signature".into());
            let value = json.write(&signatures, "", None, 1).remove(0);
            prop_assert_eq!(&json.read(&value, "")[0].signatures, &signatures[..1]);
            for (form, prefix) in forms {
                let values = form.write(&signatures, prefix, Some(("t", &ts)), 1);
                let groups = form.read(&values[0], prefix);
                prop_assert_eq!(&groups[0].signatures, &signatures);
                if matches!(form, Form::Fields(_) | Form::Positional(_)) {
                    prop_assert_eq!(groups[0].fields[0].1, ts.as_str());
                }
            }
        }

        #[test]
        fn any_value_is_read(value in ".{0,60}", syntax in "[tv1=,; \"]{0,20}") {
            for value in [value, syntax] {
                for form in [Form::Bare, Form::List(",".into()), fields("v1", ",", Some(" ")), Form::Positional(",".into()), Form::Json("a".into())] {
                    let _ = form.read(&value, "v1,");
                }
            }
        }
    }
}
