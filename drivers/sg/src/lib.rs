//! SG_IO: one command to one device node.
