//! paynotify
