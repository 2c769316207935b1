use async_trait::async_trait;
use lockutils::synchronized;

#[async_trait]
trait Work {
    #[synchronized("work-{a}")]
    async fn work(&self, (a, _): (u8, u8)) {
        drop(a.to_string());
    }
}

fn main() {}
