use lockutils::synchronized;

#[synchronized("name")]
struct Work;

fn main() {
    let _ = Work;
}
