//! Compiled definitions, cached: versions never change.

use domain::variables::Variables;
use domain::{Fault, OrgKey, WorkflowId};
use engine::Plan;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Current, StoreError, WorkflowStore};

/// How many are kept; past that the cache starts afresh.
const KEPT: usize = 256;
/// The same of variables, which may be 128 KB each.
const VARIABLES_KEPT: usize = 32;

/// Why a stored version cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("version {version} of `{workflow}` does not exist")]
    Missing { workflow: WorkflowId, version: u32 },
    /// It was checked when it was saved, so this code no longer reads what an earlier one did.
    #[error("version {version} of `{workflow}` no longer compiles: {}", faults.first().map_or("", |f| f.message.as_str()))]
    Broken { workflow: WorkflowId, version: u32, faults: Vec<Fault> },
}

type Key = (OrgKey, WorkflowId, u32);
type VariablesKey = (OrgKey, String, u32);

/// A cache of compiled definitions.
#[derive(Clone)]
pub struct Plans {
    store: Arc<dyn WorkflowStore>,
    cached: Arc<Mutex<HashMap<Key, Arc<Plan>>>>,
    variables: Arc<Mutex<HashMap<VariablesKey, Arc<Variables>>>>,
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

impl Plans {
    pub fn new(store: Arc<dyn WorkflowStore>) -> Self {
        Self { store, cached: Arc::default(), variables: Arc::default() }
    }

    /// The version that new runs of a workflow take, and whether it is enabled.
    pub async fn current(&self, org: &OrgKey, workflow: &WorkflowId) -> Result<Option<Current>, StoreError> {
        self.store.current(org, workflow).await
    }

    /// Which variables a run reads that is started now: those that its environment has now, unless it reads none.
    pub async fn variables_of(&self, org: &OrgKey, plan: &Plan) -> Result<Option<u32>, StoreError> {
        if !plan.reads_variables() {
            return Ok(None);
        }
        self.store.variables_now(org, &plan.definition().environment).await.map(Some)
    }

    /// Which revision an environment's variables have now.
    pub async fn variables_now(&self, org: &OrgKey, environment: &str) -> Result<u32, StoreError> {
        self.store.variables_now(org, environment).await
    }

    /// The variables of a revision, which never change.
    pub async fn variables(
        &self,
        org: &OrgKey,
        environment: &str,
        revision: u32,
    ) -> Result<Arc<Variables>, StoreError> {
        let key = (org.clone(), environment.to_owned(), revision);
        if let Some(known) = self.variables.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let read = Arc::new(self.store.variables(org, environment, revision).await?);
        let mut cached = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= VARIABLES_KEPT {
            cached.clear();
        }
        cached.insert(key, read.clone());
        Ok(read)
    }

    pub async fn get(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        version: u32,
    ) -> Result<Arc<Plan>, PlanError> {
        let key = (org.clone(), workflow.clone(), version);
        if let Some(plan) = self.cached.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(plan.clone());
        }
        let stored = self
            .store
            .version(org, workflow, version)
            .await?
            .ok_or_else(|| PlanError::Missing { workflow: workflow.clone(), version })?;
        let plan = Plan::parse(&stored.document).map_err(|faults| PlanError::Broken {
            workflow: workflow.clone(),
            version,
            faults,
        })?;
        let plan = Arc::new(plan);
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= KEPT {
            cached.clear();
        }
        cached.insert(key, plan.clone());
        Ok(plan)
    }
}
