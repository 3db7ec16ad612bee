//! Every byte that crosses a link: frames, the hello, and the limits both are held to.
//!
//! PURE: knows the messages of the mesh, of pieces and of the mail, and how they are written; knows no socket.

pub mod bounded;
mod frame;

pub use frame::{
    BLOCK_BYTES_MIN, ByeFrame, Frame, FrameError, GIVE_BYTES, Give, HEADER_BYTES, Hello,
    LENGTH_BYTES, LINK_BYTES_MAX, Lane, PAYLOAD_BYTES_MAX, Packet, UNTRUSTED_BYTES_MAX, VERSION,
    decode, encode, frame_len, is_block,
};
