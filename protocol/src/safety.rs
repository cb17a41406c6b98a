//! A code that two people compare, to know that nobody is between their pages.
//!
//! Both ends make it of the ids and the certificates of the two, and of a random number from each. Whoever is between them
//! has an id and a certificate of its own towards each, so the two codes differ, unless it finds numbers that make them the
//! same. It cannot look for any: the *first* of the two, the one with the lower id, commits to its number by a hash before
//! it hears the other's, and the *second* gives its own before it hears the first's. So each try is one of 2⁴⁹, and each is a
//! code that somebody has to be shown. This is the scheme of ZRTP (RFC 6189 §4.4.1.1).
//!
//! ```text
//! second: ask          (where it is the one who wants to know)
//! first:  commitment = SHA-256("peerloom safety commitment 1" ‖ its number)
//! second: number
//! first:  number
//! code    = SHA-256("peerloom safety code 1" ‖ id ‖ fingerprint ‖ number of the first ‖ the same of the second)
//! ```
//!
//! Every step may be said again, on this path and on others, and changes nothing then.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::PeerId;
use crate::octets;

/// One step of comparing. What a number is depends on whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Kind 0, from the second: commit.
    Ask,
    /// Kind 1, from the first: the hash of its number.
    Commitment(#[serde(with = "octets")] [u8; 32]),
    /// Kind 2: the number.
    Number(#[serde(with = "octets")] [u8; 32]),
}

/// What two people compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyCode {
    /// From 0 to 999,999, shown as six digits.
    pub digits: u32,
    /// Places in [`EMOJI`].
    pub emoji: [u8; 5],
}

impl SafetyCode {
    /// Six decimal digits.
    pub fn digits(&self) -> String {
        // By hand: the library's padding is a kilobyte of WebAssembly.
        let mut rest = self.digits;
        let mut digits = ['0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = char::from(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        digits.iter().collect()
    }

    /// Five emoji.
    pub fn emoji(&self) -> String {
        self.emoji.iter().filter_map(|place| EMOJI.chars().nth(usize::from(*place))).collect()
    }
}

/// 64 pictures that are told apart at a glance and have one plain name each. All are in Unicode 9 and need no second character.
pub const EMOJI: &str = "🐶🐱🐰🦊🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🦆🦉🐴🦋🐌🐞🐢🐍🐙🦀🐳🐘🌵🌲🌹🌻🍄🍎\
     🍋🍌🍉🍇🍓🍍🥕🌽🍕🍩🎂⚽🎲🎸🥁🚗🚲🚀⛵⭐🌙🔥🌈☔🔑🔔💡🎁⏰🎈🏠🎩";

/// The peer's number is not the one that it had committed to: it, or somebody between, tried to choose the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer did not keep to what it had committed to")]
pub struct BadCommitment;

impl BadCommitment {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        "bad-commitment"
    }
}

/// One of the two, as it is known: its id, and the certificate of its connections.
pub(crate) type Party = (PeerId, [u8; 32]);

/// One end's part in making a code.
pub(crate) struct Comparison {
    first: bool,
    /// Ours, and of the peer.
    parties: [Party; 2],
    number: [u8; 32],
    /// The peer or the application has asked.
    begun: bool,
    /// The peer's, where it is the first.
    commitment: Option<[u8; 32]>,
    outcome: Option<Result<SafetyCode, BadCommitment>>,
}

impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparison")
            .field("first", &self.first)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl Comparison {
    /// Nothing asked for yet. The number must not be known to anybody, nor ever be used again.
    pub(crate) fn new(ours: Party, theirs: Party, number: [u8; 32]) -> Self {
        let first = ours.0 < theirs.0;
        Self { first, parties: [ours, theirs], number, begun: false, commitment: None, outcome: None }
    }

    pub(crate) fn outcome(&self) -> Option<Result<SafetyCode, BadCommitment>> {
        self.outcome
    }

    /// The application wants to know.
    pub(crate) fn ask(&mut self) {
        self.begun = true;
    }

    /// What waits for an answer, to be said on every path and again when it may have been lost.
    pub(crate) fn waiting(&self) -> Option<Step> {
        if !self.begun || self.outcome.is_some() {
            return None;
        }
        Some(match (self.first, self.commitment) {
            (true, _) => Step::Commitment(commitment(&self.number)),
            (false, None) => Step::Ask,
            (false, Some(_)) => Step::Number(self.number),
        })
    }

    /// The peer's step; gives the answer.
    pub(crate) fn heard(&mut self, step: Step) -> Option<Step> {
        match (step, self.first) {
            (Step::Ask, true) => {
                self.begun = true;
                Some(Step::Commitment(commitment(&self.number)))
            }
            // Before it is asked for, a number would be told without being held to anything.
            (Step::Number(theirs), true) if self.begun => {
                // The first that comes counts: ours is told behind it.
                self.outcome.get_or_insert_with(|| Ok(code(self.parties, [self.number, theirs])));
                Some(Step::Number(self.number))
            }
            (Step::Commitment(theirs), false) => {
                let known = *self.commitment.get_or_insert(theirs);
                self.begun = true;
                (known == theirs).then_some(Step::Number(self.number))
            }
            (Step::Number(theirs), false) => {
                let known = self.commitment?;
                let [ours, peer] = self.parties;
                let kept = known == commitment(&theirs);
                self.outcome.get_or_insert_with(|| {
                    if kept { Ok(code([peer, ours], [theirs, self.number])) } else { Err(BadCommitment) }
                });
                None
            }
            _ => None,
        }
    }
}

fn commitment(number: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(b"peerloom safety commitment 1").chain_update(number).finalize().into()
}

fn code(parties: [Party; 2], numbers: [[u8; 32]; 2]) -> SafetyCode {
    let mut hash = Sha256::new().chain_update(b"peerloom safety code 1");
    for ((id, fingerprint), number) in parties.iter().zip(&numbers) {
        hash.update(id.0);
        hash.update(fingerprint);
        hash.update(number);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (digits, emoji) = digest.split_at(8);
    // Of eight bytes: that some remainders are likelier is nothing to see.
    let digits = digits.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % 1_000_000);
    SafetyCode { digits: digits as u32, emoji: std::array::from_fn(|at| emoji[at] % 64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: u8, certificate: u8) -> Party {
        (PeerId([name; 16]), [certificate; 32])
    }

    fn pair() -> [Comparison; 2] {
        let (a, b) = (party(1, 10), party(2, 20));
        [Comparison::new(a, b, [7; 32]), Comparison::new(b, a, [8; 32])]
    }

    /// Lets each say what it has to until both are silent, with the answers.
    fn talk([a, b]: &mut [Comparison; 2]) {
        for _ in 0..4 {
            for (from, to) in [(0, 1), (1, 0)] {
                let sides = [&mut *a, &mut *b];
                let mut said = sides[from].waiting();
                let (mut speaks, mut hears) = (from, to);
                while let Some(step) = said {
                    said = sides[hears].heard(step);
                    (speaks, hears) = (hears, speaks);
                }
            }
        }
    }

    #[test]
    fn whoever_asks_both_ends_have_the_same_code() {
        let mut codes = Vec::new();
        for asks in [[true, false], [false, true], [true, true]] {
            let mut pair = pair();
            for (comparison, asks) in pair.iter_mut().zip(asks) {
                if asks {
                    comparison.ask();
                }
            }
            talk(&mut pair);
            let [a, b] = pair.map(|comparison| comparison.outcome().unwrap().unwrap());
            assert_eq!(a, b);
            codes.push(a);
        }
        codes.dedup();
        assert_eq!(codes.len(), 1);
        assert_eq!(codes[0].digits().len(), 6);
        assert_eq!(codes[0].emoji().chars().count(), 5);
    }

    #[test]
    fn nobody_asks_nobody_says_anything() {
        let mut pair = pair();
        talk(&mut pair);
        assert!(
            pair.iter().all(|comparison| comparison.outcome().is_none() && comparison.waiting().is_none())
        );
    }

    #[test]
    fn whatever_the_ends_see_differently_the_codes_differ() {
        let code_of = |a: Party, b: Party| {
            let mut first = Comparison::new(a, b, [7; 32]);
            first.ask();
            let _ = first.heard(Step::Number([8; 32]));
            first.outcome().unwrap().unwrap()
        };
        let (a, b) = (party(1, 10), party(2, 20));
        let honest = code_of(a, b);
        for bit in 0..256 {
            for end in 0..2 {
                let mut parties = [a, b];
                parties[end].1[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(code_of(parties[0], parties[1]), honest, "bit {bit} of the certificate of {end}");
            }
        }
        assert_ne!(code_of(a, party(3, 20)), honest);
        assert_ne!(code_of(party(0, 10), b), honest);
    }

    #[test]
    fn a_number_that_is_chosen_after_the_others_was_heard_is_refused() {
        // The one between them is the first towards the victim: it commits, hears, and would choose another number.
        let [mut attacker, mut victim] = pair();
        attacker.ask();
        let answer = victim.heard(attacker.waiting().unwrap());
        assert_eq!(answer, Some(Step::Number([8; 32])));
        assert_eq!(victim.heard(Step::Number([99; 32])), None);
        assert_eq!(victim.outcome(), Some(Err(BadCommitment)));
        // What it says now does not help.
        let _ = victim.heard(Step::Number([7; 32]));
        assert_eq!(victim.outcome(), Some(Err(BadCommitment)));
    }

    #[test]
    fn nobody_may_commit_or_answer_a_second_time() {
        // As the first: another commitment gets no answer, and the old one counts.
        let [_, mut victim] = pair();
        assert!(victim.heard(Step::Commitment(commitment(&[1; 32]))).is_some());
        assert_eq!(victim.heard(Step::Commitment(commitment(&[2; 32]))), None);
        let _ = victim.heard(Step::Number([2; 32]));
        assert_eq!(victim.outcome(), Some(Err(BadCommitment)));
        // As the second: once it has heard the number, its own is fixed.
        let [mut victim, _] = pair();
        victim.ask();
        let _ = victim.heard(Step::Number([1; 32]));
        let before = victim.outcome();
        let _ = victim.heard(Step::Number([2; 32]));
        assert_eq!(victim.outcome(), before);
    }

    #[test]
    fn a_number_is_told_to_nobody_who_is_not_held_to_one() {
        let [mut first, mut second] = pair();
        assert_eq!(first.heard(Step::Number([1; 32])), None, "nobody asked");
        assert_eq!(first.outcome(), None);
        assert_eq!(second.heard(Step::Number([1; 32])), None, "nothing was committed to");
        assert_eq!(second.heard(Step::Ask), None);
        assert_eq!(first.heard(Step::Commitment([1; 32])), None);
        assert_eq!(second.outcome(), None);
    }

    #[test]
    fn it_is_made_as_the_documentation_says() {
        let spaced = |emoji: &str| emoji.chars().map(String::from).collect::<Vec<_>>().join(" ");
        // The example of docs/wire.md, computed by other code.
        let wire = include_str!("../../docs/wire.md");
        let hash = commitment(&[0xcc; 32]);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(wire.contains(&hex));
        let made = code([party(0x11, 0xaa), party(0x22, 0xbb)], [[0xcc; 32], [0xdd; 32]]);
        let shown = format!("`{}` and {}", made.digits(), spaced(&made.emoji()));
        assert!(wire.contains(&shown), "{shown}");
        assert!(wire.contains(&spaced(EMOJI)));
    }

    #[test]
    fn the_pictures_are_all_different() {
        let all: std::collections::BTreeSet<_> = EMOJI.chars().collect();
        assert_eq!(all.len(), 64);
    }

    #[test]
    fn digits_keep_their_zeros() {
        assert_eq!(SafetyCode { digits: 42, emoji: [0; 5] }.digits(), "000042");
        assert_eq!(SafetyCode { digits: 999_999, emoji: [0; 5] }.digits(), "999999");
    }
}
