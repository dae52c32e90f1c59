//! Walks over subtrees, as `ZKUtil` walks them: not atomic, znodes that vanish on the way are passed over.

use std::collections::VecDeque;

use zkrs_client::ErrorCode;

use super::Context;
use crate::shell::error::CliError;
use crate::shell::path;

/// A walk in the order of `ls -R`: a znode, all its children sorted, then what is below each child.
///
/// The children of a znode are asked for only after it and its siblings were handed out.
pub struct Walk {
    ready: VecDeque<String>,
    parents: Vec<String>,
    watch: bool,
}

impl Walk {
    /// Begins at `root`, which must exist and be readable; `watch` leaves a data watch on it and child watches
    /// on all that is listed.
    ///
    /// # Errors
    /// A bad path; the server's answer about the root.
    pub async fn start(cx: &Context<'_>, root: &str, watch: bool) -> Result<Self, CliError> {
        path::check(root)?;
        if watch {
            let (_, _, one_shot) = cx.client.get_data_and_watch(root).await?;
            cx.events.one_shot(one_shot);
        } else {
            cx.client.get_data(root).await?;
        }
        Ok(Self { ready: VecDeque::from([root.to_owned()]), parents: vec![root.to_owned()], watch })
    }

    /// The next path, or `None` at the end.
    ///
    /// # Errors
    /// The server's answer to a listing, other than that the znode is gone.
    pub async fn next(&mut self, cx: &Context<'_>) -> Result<Option<String>, CliError> {
        while self.ready.is_empty() {
            let Some(parent) = self.parents.pop() else { return Ok(None) };
            self.list(cx, &parent).await?;
        }
        Ok(self.ready.pop_front())
    }

    async fn list(&mut self, cx: &Context<'_>, parent: &str) -> Result<(), CliError> {
        let listed = if self.watch {
            cx.client.get_children_and_watch(parent).await.map(|(children, one_shot)| {
                cx.events.one_shot(one_shot);
                children
            })
        } else {
            cx.client.get_children(parent).await
        };
        let mut children = match listed {
            Ok(children) => children,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        sort(&mut children);
        let children = children.iter().map(|child| join(parent, child));
        self.ready.extend(children);
        self.parents.extend(self.ready.iter().rev().cloned());
        Ok(())
    }
}

/// All paths from `root` down, parents before children.
///
/// # Errors
/// The server's answer to a listing.
pub async fn breadth_first(cx: &Context<'_>, root: &str) -> Result<Vec<String>, CliError> {
    let mut paths = vec![root.to_owned()];
    let mut listed = 0;
    while listed < paths.len() {
        let parent = paths[listed].clone();
        let children = cx.client.get_children(&parent).await?;
        paths.extend(children.iter().map(|child| join(&parent, child)));
        listed += 1;
    }
    Ok(paths)
}

/// Sorts names as Java sorts strings, by UTF-16 units.
pub fn sort(names: &mut [String]) {
    names.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
}

fn join(parent: &str, child: &str) -> String {
    if parent == "/" { format!("/{child}") } else { format!("{parent}/{child}") }
}
