//! The attribute `#[synchronized]` of `lockutils`.

use proc_macro::TokenStream;
use quote::quote;

mod args;
mod build;
mod check;
mod expand;
mod func;
mod mistakes;
mod name;
mod options;
mod template;
mod value;

/// TODO
#[proc_macro_attribute]
pub fn synchronized(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    match synchronize(args.into(), item.clone()) {
        Ok(guarded) => guarded.into(),
        Err(wrong) => {
            let wrong = wrong.into_compile_error();
            quote!(#item #wrong).into() // The function comes back even when something is wrong.
        }
    }
}

fn synchronize(
    args: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> syn::Result<proc_macro2::TokenStream> {
    let mut wrong = mistakes::Mistakes::default();
    let args = args::Args::parse(args, &mut wrong);
    match syn::parse2::<func::Func>(item) {
        Ok(func) => check::check(&args, &func, wrong).map(|plan| expand::expand(&plan, &func)),
        Err(error) => {
            wrong.push(error);
            wrong.finish().map(|()| proc_macro2::TokenStream::new())
        }
    }
}
