//! The order of lists that have the newest first: the store sorts its rows by it, and a page what it is told by the stream.

use super::timestamp::Timestamp;

/// Where an item stands: its moment, and what tells it from others of the same moment.
pub type SortKey = (Timestamp, u128);
