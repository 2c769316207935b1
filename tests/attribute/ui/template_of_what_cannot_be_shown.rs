use lockutils::synchronized;

struct Id;

struct Volume {
    id: Id,
}

#[synchronized("volume-{volume.id}")]
fn work(volume: &Volume) {
    drop(volume);
}

fn main() {}
