use lockutils::synchronized;

#[synchronized("name", reentrant)]
async fn work() {}

fn main() {
    drop(work());
}
