//! Who answers what a person asks.

use actix::Recipient;

use super::messages::{
    Acknowledge, ConfigWanted, Connect, Disconnect, FiguresWanted, Forget, GetFile, LetterWanted,
    LettersWanted, PeersWanted, PinsWanted, Probe, Pull, Push, RelaysWanted, Reload, SetBanned,
    SetPinned, Share, Shout, Shutdown, StatusWanted, StopTransfer, Trace, UnpinLabel, WhyWanted,
};

/// Who answers what.
pub struct Services {
    /// Registry: all peers.
    pub peers: Recipient<PeersWanted>,
    /// Registry: figures.
    pub status: Recipient<StatusWanted>,
    /// Registry: evidence.
    pub why: Recipient<WhyWanted>,
    /// Registry: who was seen first under a name.
    pub pins: Recipient<PinsWanted>,
    /// Registry: dial.
    pub connect: Recipient<Connect>,
    /// Registry: close.
    pub disconnect: Recipient<Disconnect>,
    /// Registry: pin or unpin a node.
    pub pin: Recipient<SetPinned>,
    /// Registry: unpin a label.
    pub unpin_label: Recipient<UnpinLabel>,
    /// Registry: ban or unban.
    pub ban: Recipient<SetBanned>,
    /// Heartbeat: measure now.
    pub probe: Recipient<Probe>,
    /// Topology: send a probe.
    pub trace: Recipient<Trace>,
    /// Topology: tell everyone.
    pub shout: Recipient<Shout>,
    /// Exchange: share.
    pub share: Recipient<Share>,
    /// Exchange: get.
    pub get_file: Recipient<GetFile>,
    /// Exchange: stop a transfer.
    pub stop_transfer: Recipient<StopTransfer>,
    /// Exchange: forget a file.
    pub forget: Recipient<Forget>,
    /// Courier: send a letter.
    pub push: Recipient<Push>,
    /// Courier: what was sent, and with whom.
    pub letters: Recipient<LettersWanted>,
    /// Courier: one letter that was sent.
    pub letter: Recipient<LetterWanted>,
    /// Courier: what came.
    pub pull: Recipient<Pull>,
    /// Courier: somebody has been shown what came.
    pub acknowledge: Recipient<Acknowledge>,
    /// Courier: who could pass letters on.
    pub relays: Recipient<RelaysWanted>,
    /// Courier: how much there is of everything.
    pub figures: Recipient<FiguresWanted>,
    /// Supervisor: settings in force.
    pub config: Recipient<ConfigWanted>,
    /// Supervisor: read the settings again.
    pub reload: Recipient<Reload>,
    /// Supervisor: stop.
    pub shutdown: Recipient<Shutdown>,
}
