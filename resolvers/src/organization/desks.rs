use crate::prelude::*;
use entities::desk::{self, Desk, DeskFilter};

lists!(
    desk: Desks of Desk;
    "organization/v1/desks" OrganizationDesksInput
        "The directory of concierge desks that want to be found, by name, a page at a time.";
    DesksQuery, desks
        "The directory of concierge desks that want to be found, by name.";
    desk::list, filter: DeskFilter
);
