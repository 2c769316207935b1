use lockutils::synchronized;

#[synchronized("name")]
static WORK: fn() = || {};

fn main() {
    WORK();
}
