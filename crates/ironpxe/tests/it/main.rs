//! The whole of ironpxe, tested from outside: the one integration binary.

mod app;
mod beside;
mod clients;
mod config;
mod database;
mod dhcp;
mod durability;
mod exhaustion;
mod firmware;
mod footprint;
mod images;
mod layering;
mod postgres;
mod quoted_messages;
mod replicas;
mod rest;
mod roles;
mod script;
mod serve;
mod templates;
mod tls;
