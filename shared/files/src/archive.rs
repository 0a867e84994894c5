//! ZIP archives, none of whose claims is believed.

use crate::bounded::Growing;
use crate::input::{disk, invalid, too_large, unreadable};
use domain::limits;
use domain::run::StepError;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What stands before each entry of an archive's table of contents.
const ENTRY: &[u8; 4] = b"PK\x01\x02";
/// How often it may be found in a file that is opened. Archives in an archive have theirs, too.
const MOST_MARKS: usize = 20_000;
/// The longest name of an entry.
const LONGEST_NAME: usize = 1024;
const PIECE: usize = 64 * 1024;

/// An archive that was opened, and has not too many files.
pub(crate) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    budget: Budget,
}

/// What is still let out of an archive.
struct Budget {
    packed: u64,
    unpacked: u64,
    most: u64,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    /// With `/` between folders; it leads nowhere outside.
    pub(crate) name: String,
    /// As the archive says.
    pub(crate) bytes: u64,
}

fn unsafe_(message: impl Into<String>) -> StepError {
    StepError::fatal("archive_unsafe", message)
}

fn encrypted(what: &str) -> StepError {
    StepError::fatal("file_encrypted", format!("{what} is encrypted; give it without a password"))
}

impl Archive {
    /// Opens a file of this size, which may unpack to `most`.
    pub(crate) fn open(mut file: File, most: u64) -> Result<Self, StepError> {
        let packed = check(&mut file)?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| failed(&error))?;
        Ok(Self { zip, budget: Budget { packed, unpacked: 0, most } })
    }

    /// How many entries it has, folders included.
    pub(crate) fn len(&self) -> usize {
        self.zip.len()
    }

    /// Its files. One whose name leads outside makes the whole archive suspect.
    pub(crate) fn entries(&mut self) -> Result<Vec<Entry>, StepError> {
        let mut found = Vec::new();
        for index in 0..self.zip.len() {
            let entry = self.zip.by_index_raw(index).map_err(|error| failed(&error))?;
            let name = entry.name().map_err(|error| failed(&error))?.into_owned();
            let name = checked(&name)?;
            if entry.is_symlink() {
                return Err(unsafe_(format!("`{name}` is a link, which could lead anywhere")));
            }
            if entry.is_dir() {
                continue;
            }
            if entry.encrypted() {
                return Err(encrypted(&format!("`{name}`")));
            }
            found.push(Entry { index, name, bytes: entry.size() });
            if found.len() > limits::MAX_ARCHIVE_FILES {
                return Err(too_large(format!("an archive may have {} files", limits::MAX_ARCHIVE_FILES)));
            }
        }
        Ok(found)
    }

    /// Unpacks one file. `see` gets its bytes, piece by piece.
    pub(crate) fn unpack(
        &mut self,
        index: usize,
        mut see: impl FnMut(&[u8]) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let mut entry = self.zip.by_index(index).map_err(|error| failed(&error))?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = entry
                .read(&mut piece)
                .map_err(|error| unreadable(format!("the archive is damaged: {error}")))?;
            if read == 0 {
                return Ok(());
            }
            self.budget.take(read as u64)?;
            see(&piece[..read])?;
        }
    }

    pub(crate) fn name(&mut self, index: usize) -> Result<String, StepError> {
        let entry = self.zip.by_index_raw(index).map_err(|error| failed(&error))?;
        if entry.encrypted() {
            return Err(encrypted("the file"));
        }
        entry.name().map(std::borrow::Cow::into_owned).map_err(|error| failed(&error))
    }

    /// The file that was opened, at its beginning.
    pub(crate) fn into_file(self) -> Result<File, StepError> {
        let mut file = self.zip.into_inner().into_inner();
        file.rewind().map_err(|e| disk(&e))?;
        Ok(file)
    }
}

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<(), StepError> {
        self.unpacked += bytes;
        if self.unpacked > self.most {
            return Err(too_large(format!("it unpacks to more than {} MB", self.most / 1_048_576)));
        }
        let allowed = limits::FREE_UNPACKED_BYTES.max(self.packed.saturating_mul(limits::MAX_UNPACK_RATIO));
        if self.unpacked > allowed {
            let message = format!("it unpacks to more than {} times its size", limits::MAX_UNPACK_RATIO);
            return Err(unsafe_(message));
        }
        Ok(())
    }
}

/// Looks at a file before a table of contents is made of it: whoever reads one believes how long it is. Gives the file's size.
fn check(file: &mut File) -> Result<u64, StepError> {
    let packed = file.seek(SeekFrom::End(0)).map_err(|e| disk(&e))?;
    file.rewind().map_err(|e| disk(&e))?;
    let mut first = [0; 8];
    let begun = read_some(file, &mut first).map_err(|e| disk(&e))?;
    if first[..begun].starts_with(b"\xd0\xcf\x11\xe0") {
        // Workbooks with a password are kept in such a container, and so are those of before 2007.
        let message = "it is encrypted, or a workbook of before 2007; save it as .xlsx without a password";
        return Err(StepError::fatal("file_encrypted", message));
    }
    file.rewind().map_err(|e| disk(&e))?;
    let mut piece = vec![0; PIECE];
    let mut kept = 0;
    let mut marks = 0;
    loop {
        let read = read_some(file, &mut piece[kept..]).map_err(|e| disk(&e))?;
        if read == 0 {
            break;
        }
        let end = kept + read;
        marks += piece[..end].windows(ENTRY.len()).filter(|window| *window == ENTRY).count();
        // A mark that lies across two pieces.
        kept = end.min(ENTRY.len() - 1);
        piece.copy_within(end - kept..end, 0);
    }
    file.rewind().map_err(|e| disk(&e))?;
    if marks > MOST_MARKS {
        return Err(too_large(format!("an archive may have {} files", limits::MAX_ARCHIVE_FILES)));
    }
    Ok(packed)
}

fn read_some(file: &mut File, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn failed(error: &ZipError) -> StepError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            encrypted("the archive")
        }
        error => unreadable(format!("it is no ZIP archive that can be read: {error}")),
    }
}

/// A name that leads nowhere outside the archive.
fn checked(name: &str) -> Result<String, StepError> {
    // Some programs of Windows write their own separators.
    let name = name.replace('\\', "/");
    let shown = || name.chars().take(200).collect::<String>().escape_debug().to_string();
    if name.len() > LONGEST_NAME {
        return Err(unsafe_(format!("the name `{}…` is too long", shown())));
    }
    let drive = name.as_bytes().get(1) == Some(&b':');
    let leads_out = name.starts_with('/') || drive || name.split('/').any(|part| part == "..");
    if leads_out || name.is_empty() || name.chars().any(char::is_control) {
        return Err(unsafe_(format!("the name `{}` leads out of the archive, or is none", shown())));
    }
    Ok(name)
}

/// Packs files of these names into one.
pub(crate) fn pack(files: &mut [(String, File)], mut to: Growing) -> Result<(File, u64), StepError> {
    let mut known = HashSet::new();
    let mut zip = ZipWriter::new(&mut to);
    let mut outcome = Ok(());
    for (name, file) in files {
        let name = checked(name).map_err(|error| invalid(error.message))?;
        if name.ends_with('/') || !known.insert(name.clone()) {
            return Err(invalid(format!("two files would be called `{name}`, or it is a folder's name")));
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        outcome = zip.start_file(name, options).map_err(io::Error::from);
        outcome = outcome.and_then(|()| file.rewind());
        outcome = outcome.and_then(|()| io::copy(file, &mut zip).map(|_| ()));
        if outcome.is_err() {
            break;
        }
    }
    let finished = zip.finish().map(|_| ()).map_err(io::Error::from);
    outcome.and(finished).map_err(|error| to.failed(&error))?;
    to.flush().map_err(|error| to.failed(&error))?;
    to.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: u64 = limits::MAX_UNPACKED_BYTES;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut files: Vec<_> = files.iter().map(|(name, bytes)| ((*name).to_owned(), file(bytes))).collect();
        let (mut file, _) = pack(&mut files, Growing::new().unwrap()).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, StepError> {
        let mut archive = Archive::open(file(bytes), MOST)?;
        let mut found = Vec::new();
        for entry in archive.entries()? {
            let mut content = Vec::new();
            archive.unpack(entry.index, |piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
            found.push((entry.name, content));
        }
        Ok(found)
    }

    fn code(bytes: &[u8]) -> String {
        all(bytes).unwrap_err().code
    }

    /// The same archive with another name of the same length, in both places.
    fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes.to_vec();
        for at in 0..bytes.len() - from.len() {
            if &bytes[at..at + from.len()] == from.as_bytes() {
                bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            }
        }
        bytes
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        assert_eq!(packed(&[("a", b"1"), ("b/c", b"2")]), packed(&[("a", b"1"), ("b/c", b"2")]));
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        let archive = packed(&[("0123456789", b"x")]);
        for evil in ["../../etc/", "/etc/passw", "a/../../bc", "C:\\windows", "..\\..\\abcd", "a\0bcdefghi"] {
            assert_eq!(code(&renamed(&archive, "0123456789", evil)), "archive_unsafe", "{evil:?}");
        }
        assert_eq!(all(&renamed(&archive, "0123456789", "ab\\cd\\efgh")).unwrap()[0].0, "ab/cd/efgh");
    }

    #[test]
    fn bombs_are_refused_by_what_comes_out() {
        let zeros = vec![0; 20 * 1024 * 1024];
        let bomb = packed(&[("zeros", &zeros)]);
        assert!(bomb.len() < 50_000);
        assert_eq!(code(&bomb), "archive_unsafe");
        // It claims to be small.
        let mut liar = bomb;
        let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
        for at in 0..liar.len() - 4 {
            if liar[at..at + 4] == size {
                liar[at..at + 4].copy_from_slice(&7u32.to_le_bytes());
            }
        }
        assert!(all(&liar).is_err());
        let mut small =
            Archive::open(file(&packed(&[("noise", &noise(3_000_000))])), 2 * 1024 * 1024).unwrap();
        assert_eq!(small.unpack(0, |_| Ok(())).unwrap_err().code, "file_too_large");
    }

    fn noise(bytes: u32) -> Vec<u8> {
        (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (n >> 8) as u8).collect()
    }

    #[test]
    fn too_many_files_are_refused() {
        let names: Vec<String> = (0..=limits::MAX_ARCHIVE_FILES).map(|n| n.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
        assert_eq!(code(&packed(&files)), "file_too_large");
        // More than anybody should make a table of contents of.
        let mut marks = packed(&[("a", b"1")]);
        marks.splice(0..0, ENTRY.repeat(MOST_MARKS));
        assert_eq!(code(&marks), "file_too_large");
    }

    #[test]
    fn what_is_encrypted_says_so() {
        let mut archive = packed(&[("a", b"1")]);
        // The bit of the table of contents that says so, and of the file itself.
        let table = archive.windows(4).position(|window| window == ENTRY).unwrap();
        archive[table + 8] |= 1;
        archive[6] |= 1;
        assert_eq!(code(&archive), "file_encrypted");
        assert_eq!(code(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more"), "file_encrypted");
    }

    #[test]
    fn what_is_no_archive_or_only_a_part_of_one_is_refused() {
        assert_eq!(code(b""), "file_unreadable");
        assert_eq!(code(b"a,b\n1,2\n"), "file_unreadable");
        let archive = packed(&[("a", &noise(10_000))]);
        for cut in [1, archive.len() / 2, archive.len() - 3] {
            assert_eq!(code(&archive[..cut]), "file_unreadable", "{cut}");
        }
        let mut damaged = archive;
        damaged[100] ^= 0xff;
        assert_eq!(code(&damaged), "file_unreadable");
    }

    #[test]
    fn two_files_of_one_name_are_not_packed() {
        let mut files = vec![("a".to_owned(), file(b"1")), ("a".to_owned(), file(b"2"))];
        assert_eq!(pack(&mut files, Growing::new().unwrap()).unwrap_err().code, "invalid_input");
        let mut files = vec![("../a".to_owned(), file(b"1"))];
        assert_eq!(pack(&mut files, Growing::new().unwrap()).unwrap_err().code, "invalid_input");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn what_is_packed_is_unpacked(files in proptest::collection::btree_map("[a-z]{1,8}(/[a-zä ]{1,8}x)?", proptest::collection::vec(any::<u8>(), 0..2000), 1..5)) {
            let list: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
            let found: std::collections::BTreeMap<_, _> = all(&packed(&list)).unwrap().into_iter().collect();
            prop_assert_eq!(found, files);
        }

        #[test]
        fn changed_archives_are_read_or_refused(at in 0usize..300, byte: u8) {
            let mut archive = packed(&[("a", b"some text, some text"), ("b/c", &[7; 100])]);
            let at = at % archive.len();
            archive[at] = byte;
            let _ = all(&archive);
        }
    }
}
