use std::future::Future;
use std::pin::Pin;

use lockutils::synchronized;

async fn inner() {}

#[synchronized("name")]
fn work() -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(inner())
}

fn main() {
    drop(work());
}
