//! How a connection ended, in words.

use std::net::SocketAddr;

use super::{Bye, Ended};

/// How a connection ended, for people.
pub fn in_words(how: &Ended, addr: SocketAddr) -> String {
    match how {
        Ended::Refused => format!("nobody listens at {addr}"),
        Ended::TimedOut => "no answer in time".into(),
        Ended::Lost => "it broke without a goodbye".into(),
        Ended::Said(bye, _) => match bye {
            Bye::Leaving => "it said goodbye".into(),
            Bye::Duplicate => "another link to the same node stays".into(),
            Bye::Superseded => "a newer boot of this node is linked there".into(),
            Bye::Full => "it has no free slot".into(),
            Bye::Surplus => "there are links enough without this one".into(),
            Bye::Banned => "this node is banned there".into(),
            Bye::NotNamed => "it lets only named nodes in, and this one is not".into(),
            Bye::LabelTaken => {
                "this node's label belongs to another identity there (there: node unpin)".into()
            }
            Bye::WrongNetwork => "it is of another network, or the secret differs".into(),
            Bye::Disconnected => "its owner closed the link".into(),
            Bye::Silent => "it heard nothing of this node".into(),
            Bye::Myself => "that is this node itself".into(),
            Bye::Protocol => "it did not understand what was said".into(),
            Bye::Stalled => "it could not send fast enough".into(),
        },
        Ended::WrongIdentity { found } => format!("{} answered instead", found.short()),
        Ended::WrongNetwork => "it is of another network, or the secret differs".into(),
        Ended::Broken(why) => why.clone(),
        Ended::Stalled => "its outgoing lanes stayed full".into(),
        Ended::Ours => "closed here".into(),
    }
}
