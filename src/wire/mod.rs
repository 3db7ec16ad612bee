//! Every byte that crosses a link: frames, the hello, and the limits both are held to.
//!
//! PURE: knows the messages of the mesh and how they are written; knows no socket.

pub mod bounded;
