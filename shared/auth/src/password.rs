//! Passwords: Argon2id, a few at a time, and the same work for accounts that do not exist.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use thiserror::Error;
use tokio::sync::Semaphore;

const MIN_CHARS: usize = 12;
const MAX_BYTES: usize = 1024;

/// A hash that no password is known for: salt and output are random bytes.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YK2nbpdyaw5DN9qMByJ5zg$uagOzHSF5Vtp1v7FX98xKBFfUJWwI8cFG+vzfMuxDiM";

/// A password that someone chose, fit to be set.
#[derive(Clone)]
pub struct NewPassword(String);

/// Whether a password is the account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    Correct,
    /// Wrong, or there is no such account.
    Wrong,
}

#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    #[error("the password must have at least {MIN_CHARS} characters")]
    TooShort,
    #[error("the password must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// No random salt, or a stored hash that is none.
    #[error("the password could not be processed: {0}")]
    Hash(&'static str),
    /// The process is shutting down.
    #[error("password hashing was interrupted")]
    Interrupted,
}

impl PasswordError {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooShort => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::Hash(_) | Self::Interrupted => "internal_error",
        }
    }
}

impl NewPassword {
    /// Checks the length; characters are counted, not bytes.
    pub fn parse(text: impl Into<String>) -> Result<Self, PasswordError> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.chars().count() < MIN_CHARS {
            return Err(PasswordError::TooShort);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// Hashes and checks passwords. Clones share its limit.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// What hashes are computed in, kept for the next: given back to the allocator, each thread that ever hashed would hold on to its
    /// own.
    rooms: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("turns", &self.turns).finish_non_exhaustive()
    }
}

impl Passwords {
    /// At most `at_once` hashes, of 19 MiB each, are computed at a time; the others wait for their turn.
    pub fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.max(1))), rooms: Arc::default() }
    }

    /// The PHC string to store.
    pub async fn hash(&self, password: NewPassword) -> Result<String, PasswordError> {
        self.in_turn(move |room| {
            let mut salt = [0; SALT_BYTES];
            rand::fill(&mut salt).map_err(|_| PasswordError::Hash("there is no salt"))?;
            let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
            compute(&Params::DEFAULT, password.0.as_bytes(), &salt, &mut out, room)?;
            let (m, t, p) = (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST);
            let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
            Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${out}"))
        })
        .await
    }

    /// Checks an attempt against the stored hash; `None` if there is no such account, which takes as long.
    pub async fn check(
        &self,
        attempt: impl Into<String>,
        stored: Option<&str>,
    ) -> Result<PasswordCheck, PasswordError> {
        let mut attempt = attempt.into();
        // No password is that long. The work is done all the same.
        let possible = attempt.len() <= MAX_BYTES && stored.is_some();
        attempt.truncate(attempt.floor_char_boundary(MAX_BYTES));
        let stored = stored.unwrap_or(NOBODY).to_owned();
        self.in_turn(move |room| {
            let none = || PasswordError::Hash("the stored hash is none of ours");
            let hash = PasswordHash::new(&stored).map_err(|_| none())?;
            if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
                return Err(none());
            }
            let params = Params::try_from(&hash).map_err(|_| none())?;
            let (salt, expected) = hash.salt.zip(hash.hash).ok_or_else(none)?;
            let mut out = vec![0; expected.as_bytes().len()];
            compute(&params, attempt.as_bytes(), &salt, &mut out, room)?;
            let equal = verify_slices_are_equal(&out, expected.as_bytes()).is_ok();
            Ok(if equal && possible { PasswordCheck::Correct } else { PasswordCheck::Wrong })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let rooms = Arc::clone(&self.rooms);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Interrupted)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work, not by the caller: who gives up waiting does not stop the work and must not
            // let others in beside it.
            let _turn = turn;
            let room = rooms.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut room = room.unwrap_or_default();
            let outcome = work(&mut room);
            rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
            outcome
        })
        .await
        .map_err(|_| PasswordError::Interrupted)?
    }
}

/// As recommended by RFC 9106.
const SALT_BYTES: usize = 16;

/// Argon2id; its default parameters are OWASP's first recommendation.
fn compute(
    params: &Params,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    room: &mut Vec<Block>,
) -> Result<(), PasswordError> {
    let params = Params::new(params.m_cost(), params.t_cost(), params.p_cost(), Some(out.len()))
        .map_err(|_| PasswordError::Hash("its parameters cannot be"))?;
    room.resize(params.block_count(), Block::new());
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, out, room)
        .map_err(|_| PasswordError::Hash("it cannot be computed"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    fn password(text: &str) -> NewPassword {
        NewPassword::parse(text).unwrap()
    }

    #[test]
    fn the_parameters_are_those_documented() {
        assert_eq!((Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST), (19_456, 2, 1));
        // Were it not a hash, or a cheaper one, timing would tell who has an account.
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
        assert_eq!(nobody.hash.unwrap().as_bytes().len(), Params::DEFAULT_OUTPUT_LEN);
    }

    #[test]
    fn new_passwords_are_long_enough_and_not_endless() {
        assert!(matches!(NewPassword::parse("elevenchars"), Err(PasswordError::TooShort)));
        assert!(NewPassword::parse("twelve chars").is_ok());
        assert!(
            matches!(NewPassword::parse("äöüäöüäöüäö"), Err(PasswordError::TooShort)),
            "bytes are not characters"
        );
        assert!(NewPassword::parse("äöüäöüäöüäöü").is_ok());
        assert!(NewPassword::parse("x".repeat(1024)).is_ok());
        assert!(matches!(NewPassword::parse("x".repeat(1025)), Err(PasswordError::TooLong)));
        assert_eq!(format!("{:?}", password("twelve chars")), "NewPassword(…)");
    }

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash(password("correct horse battery")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let check = |attempt: &'static str| passwords.check(attempt, Some(&hash));
        assert_eq!(check("correct horse battery").await.unwrap(), PasswordCheck::Correct);
        for wrong in ["Correct horse battery", "correct horse battery ", "", "correct horse batter"] {
            assert_eq!(check(wrong).await.unwrap(), PasswordCheck::Wrong, "{wrong:?}");
        }
        let again = passwords.hash(password("correct horse battery")).await.unwrap();
        assert_ne!(hash, again, "each hash has its own salt");
    }

    #[tokio::test]
    async fn an_attempt_is_not_cut_to_a_password_that_fits() {
        let passwords = Passwords::new(2);
        let longest = "x".repeat(1024);
        let hash = passwords.hash(password(&longest)).await.unwrap();
        assert_eq!(passwords.check(longest.clone(), Some(&hash)).await.unwrap(), PasswordCheck::Correct);
        assert_eq!(passwords.check(longest + "x", Some(&hash)).await.unwrap(), PasswordCheck::Wrong);
    }

    #[tokio::test]
    async fn nobody_signs_in_and_it_takes_as_long() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash(password("correct horse battery")).await.unwrap();
        let fastest = async |stored: Option<&str>| {
            let mut fastest = Duration::MAX;
            for _ in 0..5 {
                let started = Instant::now();
                assert_eq!(passwords.check("wrong", stored).await.unwrap(), PasswordCheck::Wrong);
                fastest = fastest.min(started.elapsed());
            }
            fastest
        };
        let (nobody, somebody) = (fastest(None).await, fastest(Some(&hash)).await);
        // Skipping the work would be a thousand times faster.
        assert!(nobody * 3 > somebody && somebody * 3 > nobody, "nobody {nobody:?}, somebody {somebody:?}");
    }

    #[tokio::test]
    async fn a_stored_hash_that_is_none_is_an_error() {
        for stored in ["", "plain text", "$argon2id$v=19$m=19456,t=2,p=1$abc"] {
            let outcome = Passwords::new(1).check("anything", Some(stored)).await;
            assert!(matches!(outcome, Err(PasswordError::Hash(_))), "{stored}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_thousand_at_once_take_turns() {
        let passwords = Passwords::new(2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let (passwords, now, most) = (passwords.clone(), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let work = move |_: &mut Vec<Block>| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(200));
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    };
                    passwords.in_turn(work).await
                })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    /// The one turn is taken by work whose caller gave up: the next waits for it.
    #[tokio::test]
    async fn work_that_nobody_waits_for_still_takes_its_turn() {
        let passwords = Passwords::new(1);
        let (started, has_started) = std::sync::mpsc::channel();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let abandoned = tokio::spawn({
            let passwords = passwords.clone();
            async move {
                passwords
                    .in_turn(move |_| {
                        started.send(()).unwrap();
                        wait.recv().unwrap();
                        Ok(())
                    })
                    .await
            }
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());

        let next = passwords.in_turn(|_| Ok(()));
        tokio::pin!(next);
        assert!(
            tokio::time::timeout(Duration::from_millis(100), &mut next).await.is_err(),
            "a second one came in"
        );
        release.send(()).unwrap();
        next.await.unwrap();
    }
}
