//! The list of runs: newest first, each exactly once.

use crate::tables::{NOW, Tables, ended, new_run};
use domain::run::{NewRun, RunStatus};
use domain::{Millis, RunId, WorkflowId};
use std::collections::BTreeSet;
use store::{RunFilter, RunStore};

const DAY: i64 = 86_400_000;

/// 250 runs over a month, many of them in the same millisecond.
async fn many_runs(t: &Tables) -> Vec<NewRun> {
    let mut runs = Vec::new();
    for n in 0..250_u128 {
        let started_at = Millis(NOW.0 - (n / 10) as i64 * DAY - i64::from(n % 10 > 5));
        let workflow = WorkflowId::from_bytes([u8::from(n % 3 == 0); 16]);
        let id = RunId::from_bytes((n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).to_be_bytes());
        let run = NewRun { id, started_at, workflow, ..new_run(n) };
        t.store.create_run(&t.org, &run).await.unwrap();
        if n % 4 == 0 {
            t.store.finish(&t.org, &run.id, &ended(RunStatus::Failed)).await.unwrap();
        }
        runs.push(run);
    }
    runs
}

async fn walk(t: &Tables, filter: &RunFilter, limit: usize) -> (Vec<(Millis, RunId)>, usize) {
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = t.store.list_runs(&t.org, filter, cursor.as_deref(), limit, NOW).await.unwrap().unwrap();
        assert!(page.heads.len() <= limit);
        seen.extend(page.heads.into_iter().map(|h| (h.started_at, h.id)));
        pages += 1;
        assert!(pages < 300, "the walk does not end");
        cursor = page.next;
        if cursor.is_none() {
            return (seen, pages);
        }
    }
}

#[tokio::test]
async fn a_walk_meets_every_run_once_newest_first() {
    let t = Tables::new().await;
    let runs = many_runs(&t).await;
    let all: BTreeSet<RunId> = runs.iter().map(|r| r.id.clone()).collect();
    assert_eq!(all.len(), 250);
    for limit in [1, 7, 50, 100] {
        let (seen, pages) = walk(&t, &RunFilter::default(), limit).await;
        assert!(pages > 2);
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first, and in one order");
        assert_eq!(seen.len(), 250, "limit {limit}");
        assert_eq!(seen.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), all);
    }
}

#[tokio::test]
async fn a_filter_leaves_out_nothing_else() {
    let t = Tables::new().await;
    let runs = many_runs(&t).await;
    let workflow = WorkflowId::from_bytes([1; 16]);
    let status = Some(RunStatus::Failed);
    let wanted = |n: usize, by_workflow: bool, by_status: bool| {
        (!by_workflow || n.is_multiple_of(3)) && (!by_status || n.is_multiple_of(4))
    };
    for (by_workflow, by_status) in [(true, false), (false, true), (true, true)] {
        let filter = RunFilter {
            workflow: by_workflow.then(|| workflow.clone()),
            status: status.filter(|_| by_status),
        };
        let (seen, _) = walk(&t, &filter, 20).await;
        let expected: BTreeSet<RunId> = runs
            .iter()
            .enumerate()
            .filter(|(n, _)| wanted(*n, by_workflow, by_status))
            .map(|(_, r)| r.id.clone())
            .collect();
        assert_eq!(seen.len(), expected.len());
        assert_eq!(seen.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn a_wait_that_is_over_is_listed_as_running() {
    let t = Tables::new().await;
    let id = t.start(1).await.id;
    t.store.mark_waiting(&t.org, &id, Millis(NOW.0 + 1000)).await.unwrap();
    for (now, status) in [(NOW, RunStatus::Waiting), (Millis(NOW.0 + 1000), RunStatus::Running)] {
        let filter = RunFilter { status: Some(status), ..RunFilter::default() };
        let page = t.store.list_runs(&t.org, &filter, None, 10, now).await.unwrap().unwrap();
        assert_eq!(page.heads.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_is_told_apart_from_an_empty_page() {
    let t = Tables::new().await;
    t.start(1).await;
    for cursor in
        ["", "x", "1#~", "0000000000001#run_x", "000000000000a#~", "1772366430123", "1772366430123#~#"]
    {
        let page = t.store.list_runs(&t.org, &RunFilter::default(), Some(cursor), 10, NOW).await.unwrap();
        assert!(page.is_none(), "{cursor}");
    }
    let page = t
        .store
        .list_runs(&t.org, &RunFilter::default(), Some("0000000000000#~"), 10, NOW)
        .await
        .unwrap()
        .unwrap();
    assert!(page.heads.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn another_organisation_sees_no_run() {
    let t = Tables::new().await;
    t.start(1).await;
    let page = t.store.list_runs(&t.other, &RunFilter::default(), None, 10, NOW).await.unwrap().unwrap();
    assert!(page.heads.is_empty() && page.next.is_none());
}
