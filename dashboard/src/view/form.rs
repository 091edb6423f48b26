//! Forms and tables from data: each of them is made here, once.

use maud::{Markup, html};

/// How a field is filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// A line.
    Text,
    /// A line that is a URL.
    Url,
    /// A line, with proposals from the list of this id.
    Of(&'a str),
    /// A line that is not shown.
    Secret,
    /// So many lines.
    Area(u32),
    /// One of these: value and word.
    Choice(&'a [(&'a str, &'a str)]),
    /// Yes or no.
    Box,
    /// A file of this kind.
    File(&'a str),
    /// Nothing to fill in.
    Hidden,
}

/// A field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    kind: Kind<'a>,
    value: String,
    hint: &'a str,
    required: bool,
}

/// A field.
pub(crate) fn field<'a>(name: &'a str, label: &'a str, kind: Kind<'a>) -> Field<'a> {
    Field { name, label, kind, value: String::new(), hint: "", required: false }
}

/// A field that is sent as it is.
pub(crate) fn hidden(name: &str, value: impl Into<String>) -> Field<'_> {
    field(name, "", Kind::Hidden).value(value)
}

impl<'a> Field<'a> {
    /// What it holds at first.
    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// What it could be.
    pub(crate) fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// It has to be filled in.
    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    fn show(&self) -> Markup {
        let Self { name, label, kind, value, hint, required } = self;
        let hint = (!hint.is_empty()).then_some(hint);
        match kind {
            Kind::Hidden => html! { input type="hidden" name=(name) value=(value); },
            Kind::Box => {
                html! { label.box { input type="checkbox" name=(name) value="true" checked[!value.is_empty()]; (label) } }
            }
            _ => html! {
                label { (label)
                    @match kind {
                        Kind::Area(rows) => textarea name=(name) rows=(rows) placeholder=[hint] required[*required] spellcheck="false" { (value) },
                        Kind::Choice(options) => select name=(name) required[*required] {
                            @for (option, word) in *options { option value=(option) selected[option == value] { (word) } }
                        },
                        Kind::File(accept) => input type="file" name=(name) accept=(accept) required[*required];,
                        _ => {
                            @let (what, list) = match kind {
                                Kind::Secret => ("password", None),
                                Kind::Url => ("url", None),
                                Kind::Of(list) => ("text", Some(list)),
                                _ => ("text", None),
                            };
                            input type=(what) name=(name) value=(value) list=[list] autocomplete="off" placeholder=[hint] required[*required];
                        }
                    }
                }
            },
        }
    }
}

/// A form.
pub(crate) struct Form<'a> {
    /// Where it is sent.
    pub(crate) to: String,
    /// The session's proof.
    pub(crate) proof: &'a str,
    /// What its button says.
    pub(crate) word: &'a str,
    /// Its fields.
    pub(crate) fields: Vec<Field<'a>>,
    /// What comes after the fields.
    pub(crate) more: Markup,
}

/// A form under a heading that opens it. What comes of it, it reports where [`result`] is.
pub(crate) fn folded(title: &str, open: bool, form: &Form<'_>) -> Markup {
    html! { details open[open] { summary { (title) } (show(form)) } }
}

/// A form.
pub(crate) fn show(form: &Form<'_>) -> Markup {
    let file = form.fields.iter().any(|field| matches!(field.kind, Kind::File(_)));
    let encoding = file.then_some("multipart/form-data");
    html! {
        form.stack method="post" action=(form.to) enctype=[encoding] hx-post=(form.to) hx-encoding=[encoding]
            hx-target="#result" hx-swap="innerHTML show:top" {
            (hidden("_proof", form.proof).show())
            @for field in &form.fields { (field.show()) }
            (form.more)
            button type="submit" { (form.word) }
        }
    }
}

/// Where forms and buttons report.
pub(crate) fn result() -> Markup {
    html! { div id="result" aria-live="polite" {} }
}

/// A list of facts; those that are empty are left out.
pub(crate) fn facts(all: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts { @for (word, value) in all { @if !value.0.is_empty() { div { dt { (word) } dd { (value) } } } } }
    }
}

/// A table; where it has no rows, a sentence.
pub(crate) fn table(heads: &[&str], rows: &[Vec<Markup>], none: &str) -> Markup {
    html! {
        @if rows.is_empty() { p.dim { (none) } } @else {
            table {
                thead { tr { @for head in heads { th { (head) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

/// A text as it is.
pub(crate) fn plain(text: &str) -> Markup {
    html! { (text) }
}

/// A text as code, and a button that copies it. (By its id it keeps the focus where its place is fetched again.)
pub(crate) fn copied(text: &str) -> Markup {
    html! { (mono(text)) " " button.copy.plain id={ "copy-" (text) } type="button" { "Copy" } }
}

/// The same of a text that stands alone.
pub(crate) fn shown(text: &str) -> Markup {
    html! { pre.secret tabindex="0" { (text) } button.copy.plain type="button" { "Copy" } }
}

/// A text as code.
pub(crate) fn mono(text: &str) -> Markup {
    html! { @if !text.is_empty() { code { (text) } } }
}
