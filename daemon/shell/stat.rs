//! A znode's Stat, as zkCli's block of lines and as JSON.

use serde_json::{Value, json};
use zkrs_client::Stat;

use super::output::Output;
use crate::date::java_date;

/// Prints the block.
pub fn print(out: &Output, stat: &Stat) {
    out.text(&block(stat));
}

fn block(stat: &Stat) -> String {
    format!(
        "cZxid = 0x{:x}\nctime = {}\nmZxid = 0x{:x}\nmtime = {}\npZxid = 0x{:x}\ncversion = {}\n\
         dataVersion = {}\naclVersion = {}\nephemeralOwner = 0x{:x}\ndataLength = {}\nnumChildren = {}\n",
        stat.czxid,
        java_date(stat.ctime),
        stat.mzxid,
        java_date(stat.mtime),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}

/// The Stat's fields by their names on the wire.
pub fn json(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": stat.ephemeral_owner,
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
        "pzxid": stat.pzxid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_has_the_order_of_zkcli() {
        let stat =
            Stat { czxid: -1, mzxid: 10, pzxid: 11, version: 1, ephemeral_owner: 0x10, ..Stat::default() };
        let block = block(&stat);
        let names: Vec<&str> = block.lines().filter_map(|line| line.split(" = ").next()).collect();
        let expected = "cZxid ctime mZxid mtime pZxid cversion dataVersion aclVersion ephemeralOwner dataLength \
                        numChildren";
        assert_eq!(names.join(" "), expected);
        assert!(block.starts_with("cZxid = 0xffffffffffffffff\n"));
        assert!(block.contains("\nephemeralOwner = 0x10\n"));
    }
}
