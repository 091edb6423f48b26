//! Forms. They are described as data and rendered here, so that every field has a label, a hint and a place for errors.

use crate::scope::{self, t};
use maud::{Markup, html};

/// The kind of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// One line of text.
    Text,
    /// A URL.
    Url,
    /// A number.
    Number,
    /// A time in UTC.
    Moment,
    /// One line, with suggestions from the list with this id.
    Of(&'a str),
    /// A password field.
    Secret,
    /// Text with this many lines.
    Area(u32),
    /// One of these options: value and label.
    Choice(&'a [(&'a str, &'a str)]),
    /// Yes or no.
    Box,
    /// A file of this type.
    File(&'a str),
    /// A hidden field.
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
    example: &'a str,
    unit: &'a str,
    required: bool,
}

/// A field.
pub(crate) fn field<'a>(name: &'a str, label: &'a str, kind: Kind<'a>) -> Field<'a> {
    Field { name, label, kind, value: String::new(), hint: "", example: "", unit: "", required: false }
}

/// A hidden field.
pub(crate) fn hidden(name: &str, value: impl Into<String>) -> Field<'_> {
    field(name, "", Kind::Hidden).value(value)
}

impl<'a> Field<'a> {
    /// Sets the initial value.
    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// Sets the hint.
    pub(crate) fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// Sets the placeholder.
    pub(crate) fn example(self, example: &'a str) -> Self {
        Self { example, ..self }
    }

    /// Sets the unit.
    pub(crate) fn unit(self, unit: &'a str) -> Self {
        Self { unit, ..self }
    }

    /// Makes it required.
    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(crate) fn show(&self, form: &str) -> Markup {
        let Self { name, label, kind, value, hint, example, unit, required } = self;
        let id = format!("{form}-{name}");
        let about = (!hint.is_empty()).then(|| format!("{id}-hint"));
        let example = (!example.is_empty()).then_some(example);
        let hint = html! { @if let Some(about) = &about { span.hint id=(about) { (t(hint)) } } };
        match kind {
            Kind::Hidden => html! { input type="hidden" name=(name) value=(value); },
            Kind::Box => html! {
                div.field { label.check for=(id) { input id=(id) type="checkbox" name=(name) value="true" checked[!value.is_empty()] aria-describedby=[about.as_ref()]; span { (t(label)) } } (hint) }
            },
            _ => html! {
                div.field {
                    label for=(id) { (t(label)) @if !required && !matches!(kind, Kind::Choice(_)) { " " span.opt aria-hidden="true" { (t("optional")) } } }
                    @match kind {
                        Kind::Area(rows) => textarea.in id=(id) name=(name) rows=(rows) placeholder=[example] required[*required] spellcheck="false" aria-describedby=[about.as_ref()] { (value) },
                        Kind::Choice(options) => select.in id=(id) name=(name) required[*required] aria-describedby=[about.as_ref()] {
                            @for (option, word) in *options { option value=(option) selected[option == value] { (t(word)) } }
                        },
                        Kind::File(accept) => input.in id=(id) type="file" name=(name) accept=(accept) required[*required] aria-describedby=[about.as_ref()];,
                        _ => {
                            @let (what, list, mode) = match kind {
                                Kind::Secret => ("password", None, None),
                                Kind::Url => ("url", None, None),
                                Kind::Number => ("text", None, Some("numeric")),
                                Kind::Moment => ("datetime-local", None, None),
                                Kind::Of(list) => ("text", Some(list), None),
                                _ => ("text", None, None),
                            };
                            @let input = html! { input.in id=(id) type=(what) name=(name) value=(value) list=[list] inputmode=[mode] autocomplete="off" placeholder=[example] required[*required] aria-describedby=[about.as_ref()]; };
                            @if unit.is_empty() { (input) } @else { div.group.w200 { (input) span.unit { (t(unit)) } } }
                        }
                    }
                    (hint)
                }
            },
        }
    }
}

/// A form.
pub(crate) struct Form<'a> {
    /// Its id on the page.
    pub(crate) id: &'a str,
    /// The path to post to.
    pub(crate) to: String,
    /// The session's proof.
    pub(crate) proof: &'a str,
    /// The label of its button.
    pub(crate) word: &'a str,
    /// Its fields.
    pub(crate) fields: Vec<Field<'a>>,
    /// Content after the fields.
    pub(crate) more: Markup,
}

/// A form, followed by the element for its result.
pub(crate) fn show(form: &Form<'_>) -> Markup {
    shown(form, "pri")
}

/// A form that deletes or revokes.
pub(crate) fn danger(form: &Form<'_>) -> Markup {
    shown(form, "danger solid")
}

fn shown(form: &Form<'_>, class: &str) -> Markup {
    let file = form.fields.iter().any(|field| matches!(field.kind, Kind::File(_)));
    let encoding = file.then_some("multipart/form-data");
    html! {
        form.form id=(form.id) method="post" action=(form.to) enctype=[encoding] hx-post=(form.to) hx-encoding=[encoding]
            hx-target="next .out" hx-swap="innerHTML show:bottom" hx-disabled-elt="find button[type=submit]" {
            (hidden("_proof", form.proof).show(form.id))
            @for field in &form.fields { (field.show(form.id)) }
            (form.more)
            div.row.end { button class={ "btn " (class) } type="submit" { (t(form.word)) } }
        }
        div.out aria-live="polite" {}
    }
}

/// A button that posts a form and shows the result in `target` (a selector), or navigates to a new page.
pub(crate) fn button(
    to: &str,
    class: &str,
    word: &str,
    target: Option<&str>,
    fields: &[(&str, &str)],
) -> Markup {
    html! {
        form.inline method="post" action=(to) hx-post=[target.map(|_| to)] hx-target=[target] hx-swap=[target.map(|_| "innerHTML")] {
            // Without a script there is no header with the proof.
            input type="hidden" name="_proof" value=(scope::proof());
            @for (name, value) in fields.iter().filter(|(name, _)| *name != "_proof") { input type="hidden" name=(name) value=(value); }
            // The id keeps the focus when the list is refreshed.
            button class={ "btn " (class) } id={ (to) @for (_, value) in fields.iter().filter(|(name, _)| *name != "_proof") { "#" (value) } } type="submit" { (t(word)) }
        }
    }
}

/// The element for the results of a page's buttons.
pub(crate) fn result() -> Markup {
    html! { div.out id="result" aria-live="polite" {} }
}

/// Plain text.
pub(crate) fn plain(text: &str) -> Markup {
    html! { (text) }
}

/// Text as code.
pub(crate) fn mono(text: &str) -> Markup {
    html! { @if !text.is_empty() { code { (text) } } }
}
