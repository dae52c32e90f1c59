//! Transaction logs: `log.<hex zxid>` files as Apache ZooKeeper writes them.
//!
//! # Format
//! A 16-byte header (`ZKLG`, version 2, dbid 0), then entries
//! `{i64 Adler32(payload), i32 length, payload, 0x42}`, then zeros to the preallocated end (Apache's `FileTxnLog`,
//! `FilePadding`). The file's name is its first zxid. Every start of a server begins a new file.
//!
//! # Which end is a torn tail, and which is damage
//!
//! A crash may leave the last write incomplete: sectors of it missing, in any order. Those transactions were never
//! acknowledged and must be cut. A flipped bit in an acknowledged transaction looks much the same and must be
//! refused. Apache's format has no mark for "synced up to here" and its tools must go on reading our files, so
//! the decision rests on these facts, all kept by [`LogWriter`]:
//!
//! 1. **A batch is synced before the next one is written**, and is at most [`BATCH_BYTES_MAX`] long (or one
//!    transaction). What a crash tears is one batch, at the end of the last file.
//! 2. **A torn write leaves zeros**, because it goes to space that was zero (preallocated, or beyond the end).
//! 3. **A side file, [`WATERMARK_FILE`], says up to where this log was synced**: file, offset, last zxid. It is
//!    written (not synced) after each batch, outside of the path to the acknowledgement, so after the death of the
//!    process it is exact, or one batch behind. It is synced when a file is begun or closed, every 4096 batches, and
//!    in quiet moments every 256; otherwise the kernel writes it within its usual half a minute. So after a power
//!    cut it may be that old, but never ahead of the truth. Apache looks at names that start with `log.` and
//!    `snapshot.` only, and ignores it.
//! 4. **An Adler-32 of a text with one flipped bit tells which bit**: its two halves are off by `±2^k` and
//!    `±2^k·(n-i)`. So a single flipped bit is recognised for what it is, wherever it is.
//!
//! From them, for the first entry that cannot be read in the last file:
//!
//! | what is found | verdict |
//! |---|---|
//! | it lies below the watermark | damage |
//! | it would be intact with one bit flipped, and no torn write can have flipped it | damage |
//! | data goes on beyond what one batch can hold | damage |
//! | intact entries follow, and nothing between them and here is missing as a torn write leaves it, or no watermark tells | damage |
//! | otherwise | torn tail: cut, and the bytes cut are reported |
//!
//! In a file that is not the last one an unreadable entry is damage, unless the next file starts with the very
//! transaction that is unreadable (Apache leaves a torn tail in place and goes on in a new file). Zxids must be
//! contiguous within an epoch and start at 1 in the next; an `error` transaction may repeat the zxid before it
//! (Apache writes such for a request that it could not decode).
//!
//! **What this guarantees.** No acknowledged transaction is lost silently by a crash. A single flipped bit in an
//! acknowledged transaction is refused, always. Damage of more than a bit is refused below the watermark, in all
//! files but the last, and wherever intact transactions of a later batch follow. What cannot be told apart, and
//! is cut with a report: damage of more than one bit in the very last batch or batches, written after the watermark
//! was last synced, found after a power cut.
//!
//! With `forceSync=no` nothing is known to be on disk, and the first unreadable entry is the end.

mod current;
mod entry;
mod flip;
mod preallocate;
mod reader;
mod scan;
mod spare;
mod tail;
mod truncate;
mod watermark;
mod writer;

pub use entry::{BATCH_BYTES_MAX, TXN_BYTES_MAX, TXN_BYTES_MIN, txn_type_of, zxid_of};
pub use preallocate::padded_len;
pub use reader::{LogEntry, LogReader, LogStart, Tail};
pub use spare::{SpareLog, SpareRequest};
pub use truncate::{Truncated, truncate_after};
pub use watermark::{WATERMARK_FILE, Watermark};
pub use writer::{LogWriter, LogWriterOptions};
