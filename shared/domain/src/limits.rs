//! Every limit that more than one place must agree on. A test checks the template against them.

use std::time::Duration;

/// What the executor's Lambda function is configured with.
pub const EXECUTOR_TIMEOUT: Duration = Duration::from_mins(2);
/// The step queue's visibility: at least six times the function's timeout, as AWS asks.
pub const QUEUE_VISIBILITY: Duration = Duration::from_mins(12);
/// A message is delivered this often before it counts as poison. Only crashes are counted (protocol rule 8).
pub const MAX_RECEIVE_COUNT: u32 = 10;
/// A step starts only while this much more than its own time limit remains of the invocation.
pub const STEP_START_MARGIN: Duration = Duration::from_secs(5);
/// The longest time limit of code.
pub const MAX_CODE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long code may take, unless its step says so.
pub const DEFAULT_CODE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest source of a `code` step.
pub const MAX_CODE_BYTES: usize = 64 * 1024;
/// The longest time limit of a step.
pub const MAX_STEP_TIMEOUT: Duration = Duration::from_secs(100);
/// The time limit of a step that names none.
pub const DEFAULT_STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest delay that an SQS message takes; what waits longer is a due entry.
pub const MAX_QUEUE_DELAY: Duration = Duration::from_mins(15);

/// A message carries context up to this size: SQS bills in units of 64 KB.
pub const MAX_MESSAGE_BYTES: usize = 60 * 1024;
/// The largest output that the journal itself holds; a larger one is kept as an object. (A DynamoDB item holds at most 400 KB.)
pub const MAX_INLINE_BYTES: usize = 300 * 1024;
/// The largest output of a step that expressions can read.
pub const MAX_OUTPUT_BYTES: usize = 5 * 1024 * 1024;
/// The largest answer that an HTTP step takes. What no expression could read is kept as a file.
pub const MAX_FILE_BYTES: usize = 50 * 1024 * 1024;
/// The rows that one step reads of a file; with `offset` it goes on behind them.
pub const MAX_FILE_ROWS: u64 = 10_000;
/// The columns of a table: as many as a sheet of Excel has.
pub const MAX_FILE_COLUMNS: usize = 16_384;
/// The largest row of a table, and the largest line of JSON lines.
pub const MAX_FILE_ROW_BYTES: usize = 1024 * 1024;
/// The files of an archive.
pub const MAX_ARCHIVE_FILES: usize = 500;
/// What all files of an archive have together when they are unpacked. One of them may have [`MAX_FILE_BYTES`].
pub const MAX_UNPACKED_BYTES: u64 = 100 * 1024 * 1024;
/// An archive may not unpack to more than so many times its own size, once that is more than [`FREE_UNPACKED_BYTES`].
pub const MAX_UNPACK_RATIO: u64 = 200;
/// What is not worth to be called a bomb.
pub const FREE_UNPACKED_BYTES: u64 = 1024 * 1024;
/// What the parts of a workbook have together when they are unpacked.
pub const MAX_WORKBOOK_BYTES: u64 = 64 * 1024 * 1024;
/// The largest part of a workbook that is not a sheet, such as its table of texts: it is in memory as a whole.
pub const MAX_WORKBOOK_PART_BYTES: u64 = 16 * 1024 * 1024;
/// What a worker keeps on its disk of files that its steps read and write, at the same time. Answers of requests have
/// [`MAX_SPOOLED_BYTES`] besides, and the disk 512 MB.
pub const MAX_WORKING_FILES_BYTES: u64 = 160 * 1024 * 1024;
/// What answers that are too large for memory take of a worker's disk.
pub const MAX_SPOOLED_BYTES: u64 = 320 * 1024 * 1024;
/// The parts of a multipart body.
pub const MAX_MULTIPART_PARTS: usize = 100;
/// The longest name of a file.
pub const MAX_FILENAME_BYTES: usize = 255;
/// The largest body that a webhook or an API request may have.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// The largest definition.
pub const MAX_DEFINITION_BYTES: usize = 256 * 1024;
/// The most steps in a definition.
pub const MAX_STEPS: usize = 500;
/// The deepest nesting of blocks.
pub const MAX_BLOCK_DEPTH: usize = 20;
/// The most arms of a `parallel` step.
pub const MAX_PARALLEL_ARMS: usize = 20;
/// The most items of a `for_each` step.
pub const MAX_ITEMS: usize = 10_000;
/// The most items of a `for_each` step, or runs of a workflow that limits them, that are under way at the same time.
pub const MAX_CONCURRENCY: u16 = 100;
/// How many runs can stand in line for a slot of their workflow; more come back by themselves.
pub const MAX_LINE: usize = 500;
/// How long a trigger gathers events, in the pauses between them. More than the queue can delay would need an entry in the due table.
pub const MIN_GATHER: Duration = Duration::from_secs(1);
pub const MAX_GATHER: Duration = MAX_QUEUE_DELAY;
/// How long a debounced trigger puts its run off, while events go on to come.
pub const MAX_DEBOUNCE: Duration = Duration::from_hours(24);
/// Events of one run.
pub const MAX_BATCH: u16 = 100;
/// What the events of one run have together, as JSON, in bytes.
pub const MAX_GATHERED_BYTES: usize = 256 * 1024;
/// The most iterations that a `while` step may be given.
pub const MAX_ITERATIONS: u32 = 10_000;
/// How long an approval or a callback is waited for unless it says otherwise.
pub const CALLBACK_TIMEOUT: Duration = Duration::from_hours(168);
/// How long the end of what an action started is waited for unless its step says otherwise.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_hours(1);
/// The most tests of a workflow.
pub const MAX_TESTS: usize = 50;
/// The most triggers of a workflow.
pub const MAX_TRIGGERS: usize = 20;
/// Bytes of what a trigger asks its app for, as JSON.
pub const MAX_TRIGGER_INPUT: usize = 16 * 1024;
/// How often an app can be asked for records.
pub const MIN_POLL: Duration = Duration::from_mins(1);
pub const MAX_POLL: Duration = Duration::from_hours(24);
pub const DEFAULT_POLL: Duration = Duration::from_mins(5);

/// The time limit of a run that names none, and the longest.
pub const DEFAULT_RUN_TIMEOUT: Duration = Duration::from_hours(720);
pub const MAX_RUN_TIMEOUT: Duration = Duration::from_hours(8784);
/// How long the history of an ended run is kept.
pub const RETENTION: Duration = Duration::from_hours(720);
/// A chain of runs (an event or an HTTP step of one starts the next) ends here.
pub const MAX_DEPTH: u16 = 16;
/// The header by which an HTTP step tells a webhook how many runs led to it.
pub const DEPTH_HEADER: &str = "patchbay-depth";

/// A run that nothing was heard of is looked at after this time.
pub const FIRST_CHECK: Duration = Duration::from_mins(10);
/// How long a webhook waits for its workflow's own answer.
pub const RESPOND_WITHIN: Duration = Duration::from_secs(25);
/// The most attempts of a step.
pub const MAX_ATTEMPTS: u16 = 20;

/// How many secrets a webhook's signature may be by.
pub const MAX_VERIFY_SECRETS: usize = 5;
/// How many parts a signed text has.
pub const MAX_SIGNED_PARTS: usize = 10;
/// How far a signature's time may be from now, at least and at most.
pub const MIN_TOLERANCE: Duration = Duration::from_secs(1);
pub const MAX_TOLERANCE: Duration = Duration::from_hours(1);

/// How many variables an environment has.
pub const MAX_VARIABLES: usize = 200;
/// How many environments an organisation has.
pub const MAX_ENVIRONMENTS: usize = 20;
/// Bytes of one variable's value.
pub const MAX_VARIABLE_BYTES: usize = 8 * 1024;
/// Bytes of all variables of an environment together: they are read as one.
pub const MAX_VARIABLES_BYTES: usize = 128 * 1024;
pub const MAX_VARIABLE_NAME: usize = 64;
pub const MAX_ENVIRONMENT_NAME: usize = 40;
/// A credential of a connection: a private key fits in.
pub const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;
/// A secret shorter than this could not be told from other text in what an app answers.
pub const MIN_SECRET_BYTES: usize = 8;
