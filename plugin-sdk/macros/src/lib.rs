//! The attribute `#[plugin]`.
//!
//! The function stays as it is written, so that tests call it. Around it the attribute writes what calls it: natively nothing
//! but a check that its parameters and its answer are ones that a plugin can have; on wasm32 the exports of the ABI and the
//! manifest.

mod manifest;
mod options;

use options::Options;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Result, Type};

/// Makes a function a plugin. One function of a crate has it.
///
/// ```text
/// #[plugin(
///     name = "large-orders",                      // the crate's name, unless named
///     version = "1.0.0",                          // the crate's version
///     description = "Only orders above a limit.", // the crate's description
///     config = "config.schema.json",              // JSON Schema: a file of the crate, or the schema itself
///     events = ["order.created", "invoice.*"],    // the event types it is made for
/// )]
/// fn large_orders(event: Event) -> Result<bool> { … }
/// ```
///
/// All of it ends in the module's manifest, where it is read without running the plugin.
#[proc_macro_attribute]
pub fn plugin(attributes: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    let written = expand(attributes.into(), item.clone()).unwrap_or_else(|error| {
        // The function stays, so that one mistake is not told as two.
        let error = error.into_compile_error();
        quote!(#error #item)
    });
    written.into()
}

fn expand(attributes: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), "#[plugin] can only be used on a function: `fn name(event: Event) -> bool`")
    })?;
    let options: Options = syn::parse2(attributes)?;
    let parameters = parameters(&function)?;
    let manifest = manifest::text(&options)?;
    let schema_file = options.config_file().into_iter();

    let name = &function.sig.ident;
    let names: Vec<_> = (0..parameters.len()).map(|nth| format_ident!("parameter{nth}")).collect();
    let made = names.iter().zip(&parameters).map(|(name, parameter)| {
        quote_spanned! { parameter.span() =>
            let #name: #parameter = match ::weir_plugin::FromEvent::from_event(event) {
                ::core::result::Result::Ok(made) => made,
                ::core::result::Result::Err(error) => return ::weir_plugin::Verdict::Fail(error),
            };
        }
    });
    // A mistake in the answer's type is told where the type is written.
    let span = match &function.sig.output {
        syn::ReturnType::Default => name.span(),
        syn::ReturnType::Type(_, answer) => answer.span(),
    };
    let answer = quote_spanned! { span => ::weir_plugin::IntoVerdict::into_verdict(#name(#(#names),*)) };
    let length = manifest.len();
    let bytes = proc_macro2::Literal::byte_string(manifest.as_bytes());
    Ok(quote! {
        #function

        const _: () = {
            // Recompiled where the schema has changed.
            #(const _: &[u8] = ::core::include_bytes!(#schema_file);)*

            fn call(event: ::weir_plugin::Event<'_>) -> ::weir_plugin::Verdict {
                #(#made)*
                #answer
            }

            const _: ::weir_plugin::rt::Call = call;

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            #[unsafe(link_section = "weir:manifest")]
            #[used]
            static MANIFEST: [u8; #length] = *#bytes;

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            extern "C" fn weir_abi_v1() -> i32 {
                ::weir_plugin::rt::mailbox()
            }

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            extern "C" fn weir_input(length: i32) -> i32 {
                ::weir_plugin::rt::input(length)
            }

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            extern "C" fn weir_transform(length: i32) -> i32 {
                ::weir_plugin::rt::transform(length, call)
            }
        };
    })
}

fn refused<T>(tokens: &impl ToTokens, why: &str) -> Result<T> {
    Err(Error::new_spanned(tokens, why))
}

/// The types of the parameters, where the function is one that can be called.
fn parameters(function: &ItemFn) -> Result<Vec<Type>> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return refused(keyword, "a plugin cannot be async: remove `async`");
    }
    if let Some(keyword) = &signature.unsafety {
        return refused(keyword, "a plugin cannot be unsafe: remove `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        return refused(abi, "the attribute writes the exports: remove `extern`");
    }
    if let Some(parameter) = signature.generics.type_params().next() {
        return refused(parameter, "a plugin cannot be generic: write the type instead of a type parameter");
    }
    if let Some(parameter) = signature.generics.const_params().next() {
        return refused(
            parameter,
            "a plugin cannot be generic: write the number instead of a const parameter",
        );
    }
    if let Some(variadic) = &signature.variadic {
        return refused(variadic, "a plugin has a fixed number of parameters");
    }
    if signature.inputs.len() > 4 {
        return refused(&signature.inputs, "a plugin has at most four parameters");
    }
    let mut types = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                return refused(receiver, "#[plugin] can only be used on a function, not on a method");
            }
            FnArg::Typed(parameter) => match &*parameter.ty {
                Type::ImplTrait(_) => {
                    return refused(
                        &parameter.ty,
                        "a plugin cannot be generic: write the type instead of `impl`",
                    );
                }
                written => types.push(named_lifetimes_left_out(written.clone())),
            },
        }
    }
    Ok(types)
}

/// The type as it can be written within a function: lifetimes that the plugin's function names are for the compiler to find.
fn named_lifetimes_left_out(mut written: Type) -> Type {
    struct LeaveOut;
    impl syn::visit_mut::VisitMut for LeaveOut {
        fn visit_lifetime_mut(&mut self, lifetime: &mut syn::Lifetime) {
            if lifetime.ident != "static" {
                *lifetime = syn::Lifetime::new("'_", lifetime.span());
            }
        }
    }
    syn::visit_mut::VisitMut::visit_type_mut(&mut LeaveOut, &mut written);
    written
}
