//! The comparer of trees: that it sees what a backup may lose.

mod common;

use common::tree::{differences, snapshot};
use common::{hard_tree, tree};

#[test]
fn the_hard_tree_is_built_the_same_twice_and_every_change_is_seen() {
    let (one, two) = (hard_tree::workspace(), hard_tree::workspace());
    hard_tree::build(one.path());
    hard_tree::build(two.path());
    let nodes = snapshot(one.path());
    assert!(nodes.len() > 100, "only {} nodes", nodes.len());
    let ours = |node: &tree::Node| node.path.starts_with(b"contents") && node.mtime.0 > 0;
    let mut again = snapshot(two.path());
    // Files get the time of their writing; only explicit times are the same.
    again.iter_mut().zip(&nodes).for_each(|(b, a)| b.mtime = a.mtime);
    tree::assert_same(&nodes, &again);
    assert!(nodes.iter().any(ours));
    for at in 0..nodes.len() {
        let changed = |change: &dyn Fn(&mut tree::Node)| {
            let mut other = nodes.clone();
            change(&mut other[at]);
            differences(&nodes, &other).len()
        };
        assert_eq!(changed(&|n| n.mode ^= 1), 1);
        assert_eq!(changed(&|n| n.mtime.1 += 1), 1);
        assert_eq!(changed(&|n| n.owner.1 += 1), 1);
        assert_eq!(changed(&|n| n.kind = tree::Kind::CharDevice(99)), 1);
        assert_eq!(changed(&|n| n.path.push(b'x')), 2);
        assert_eq!(changed(&|n| n.link_to = Some(b"else".to_vec())), 1);
        assert!(
            changed(&|n| {
                n.xattrs.insert("user.new".into(), vec![]);
            }) >= 1
        );
    }
}
