//! The options in the attribute's parentheses.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, ExprArray, Ident, LitStr, Result, Token, bracketed};

/// The options, each with where it is written.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) config: Option<LitStr>,
    pub(crate) events: Vec<LitStr>,
}

const KNOWN: &str = "`name`, `version`, `description`, `config` and `events`";

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut seen = Vec::<Ident>::new();
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| {
                Error::new(error.span(), format!("expected the name of an option: {KNOWN}"))
            })?;
            if seen.contains(&key) {
                return Err(Error::new(key.span(), format!("`{key}` occurs twice")));
            }
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => options.name = Some(text(input)?),
                "version" => options.version = Some(text(input)?),
                "description" => options.description = Some(text(input)?),
                "config" => options.config = Some(text(input)?),
                "events" => options.events = list(input)?,
                other => {
                    return Err(Error::new(
                        key.span(),
                        format!("there is no option `{other}`; the options are {KNOWN}"),
                    ));
                }
            }
            seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn text(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse().map_err(|error| Error::new(error.span(), "expected a string in double quotes"))
}

fn list(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let wanted = "expected a list of event types: `[\"order.created\", \"invoice.*\"]`";
    if !input.peek(syn::token::Bracket) {
        let span = input.parse::<ExprArray>().map_or_else(|error| error.span(), |_| Span::call_site());
        return Err(Error::new(span, wanted));
    }
    let inner;
    bracketed!(inner in input);
    let items = Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)
        .map_err(|error| Error::new(error.span(), wanted))?;
    Ok(items.into_iter().collect())
}

impl Options {
    /// The file that the configuration's schema is in, as an absolute path, where it is not in the attribute itself.
    pub(crate) fn config_file(&self) -> Option<String> {
        let config = self.config.as_ref()?.value();
        if is_inline(&config) {
            return None;
        }
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        Some(std::path::Path::new(&root).join(config).to_string_lossy().into_owned())
    }
}

/// Whether the option is the schema itself.
pub(crate) fn is_inline(config: &str) -> bool {
    config.trim_start().starts_with('{')
}
