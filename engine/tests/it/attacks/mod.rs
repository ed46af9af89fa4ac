//! What attackers tried, one file per kind; each test names the point of the issue that it stands
//! for. Whoever keeps to the rules ends with what it is owed, played to the end on the chain.

mod answers;
mod closes;
mod gas;
mod heavy;
mod hostages;
mod late;
mod neighbours;
mod relay;
mod reorgs;
mod settling;
mod stage;
mod vouchers;
