//! Many at once: how much a page does because of how many others there are, or somebody says there are.
#![allow(clippy::unwrap_used)]

#[path = "support/page.rs"]
mod page;

use peerloom_protocol::action::{ConnectionId, Input};
use peerloom_protocol::signal::{LeaveReason, Member, ServerMessage};
use peerloom_protocol::{limits, timing};

use page::{Other, Page};

/// A page that has joined, without anybody else, and connections for whoever comes first.
fn joined() -> Page {
    let mut page = Page::new(None);
    page.welcome(Vec::new());
    page
}

/// So many others enter.
fn enter(page: &mut Page, count: u8) -> Vec<Other> {
    let others: Vec<_> = (0..count).map(Other::new).collect();
    for other in &others {
        page.hear(&ServerMessage::Joined(other.listed()));
    }
    others
}

#[test]
fn a_page_asks_to_join_before_it_makes_what_the_join_does_not_need() {
    let page = Page::new(None);
    assert_eq!((page.made_before_socket, page.connections), (1, 2));
}

#[test]
fn a_page_makes_few_connections_at_a_time_and_serves_all_in_turn() {
    let mut page = joined();
    let before = page.connections;
    let others = enter(&mut page, 200);
    let pending = limits::MAX_PENDING_CONNECTIONS as u32;
    assert_eq!(page.connections - before, pending);
    // As each opens, the next is made. A connection's id is its number.
    for open in 1..=20 {
        page.feed(Input::ChannelsOpen(ConnectionId(before + open)));
        assert_eq!(page.connections - before, pending + open);
    }
    // So it is when one fails, or whoever it was for leaves.
    page.feed(Input::ConnectionFailed(ConnectionId(before + 21)));
    assert_eq!(page.connections - before, pending + 21);
    page.hear(&ServerMessage::Left { id: others[30].id(), epoch: 2, reason: LeaveReason::Left });
    assert_eq!(page.connections - before, pending + 22);
    assert_eq!(page.node.deadline(page.now).filter(|at| *at <= page.now), None, "nothing is due");
    // Connections that come to nothing give way to those that wait, until everybody has had one.
    let mut had = pending + 22;
    while had < 200 {
        page.now = page.node.deadline(page.now).unwrap();
        page.feed(Input::TimedOut);
        had = page.connections - before;
        assert!(page.connections - before - page.closed <= pending + 20, "beside the 20 that are open");
    }
}

#[test]
fn a_server_that_has_strangers_come_and_go_without_end_costs_ten_connections_a_second() {
    let mut page = joined();
    let before = page.connections;
    let stranger = Other::new(5);
    let mut epoch = 0;
    let mut come_and_go = |page: &mut Page| {
        for _ in 0..1_000 {
            epoch += 1;
            page.hear(&ServerMessage::Joined(Member { epoch, ..stranger.listed() }));
            page.hear(&ServerMessage::Left { id: stranger.id(), epoch, reason: LeaveReason::Left });
        }
    };
    come_and_go(&mut page);
    assert_eq!(page.connections - before, limits::MAX_CONNECTIONS_AT_ONCE);
    page.now += 5 * timing::CONNECTION_MS;
    come_and_go(&mut page);
    assert_eq!(page.connections - before, limits::MAX_CONNECTIONS_AT_ONCE + 5);
}
