//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the program is called.
pub const USAGE: &str = "usage: patchbay-local [--addr 127.0.0.1:8787] [--data .patchbay] [--reset]";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args {
    pub addr: SocketAddr,
    pub data: PathBuf,
    pub reset: bool,
}

impl Args {
    /// Reads the arguments after the program's name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8787)),
            data: PathBuf::from(".patchbay"),
            reset: false,
        };
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("`{flag}` needs a value\n{USAGE}"));
            match flag.as_str() {
                "--addr" => {
                    let text = value()?;
                    parsed.addr = text
                        .parse()
                        .map_err(|_| format!("`{text}` is not an address like 127.0.0.1:8787"))?;
                    if !parsed.addr.ip().is_loopback() {
                        return Err(format!(
                            "`{text}` is not a loopback address: the local stack is for this machine only"
                        ));
                    }
                }
                "--data" => parsed.data = value()?.into(),
                "--reset" => parsed.reset = true,
                other => return Err(format!("`{other}` is not an option\n{USAGE}")),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        Args::parse(args.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn options_are_read() {
        let args = parse(&["--addr", "127.0.0.1:0", "--data", "x", "--reset"]).unwrap();
        assert_eq!((args.addr.port(), args.data, args.reset), (0, PathBuf::from("x"), true));
        assert_eq!(parse(&[]).unwrap().addr.port(), 8787);
    }

    #[test]
    fn only_this_machine_is_listened_to() {
        assert!(parse(&["--addr", "0.0.0.0:8787"]).unwrap_err().contains("loopback"));
        assert!(parse(&["--addr"]).is_err());
        assert!(parse(&["--frobnicate"]).is_err());
    }
}
