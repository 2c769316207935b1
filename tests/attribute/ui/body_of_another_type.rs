use lockutils::synchronized;

#[synchronized("name")]
fn work() -> u8 {
    1;
}

#[synchronized("name")]
async fn work_later() -> String {
    ""
}

fn main() {
    work();
    drop(work_later());
}
