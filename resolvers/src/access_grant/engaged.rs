use crate::prelude::*;
use entities::{
    access_grant,
    engaged_organization::{self, EngagedOrganization},
};

lists!(
    access_grant: Engaged of EngagedOrganization, across;
    "accessGrant/v1/engaged" AccessGrantEngagedInput
        "The organizations that engaged the acting one, a page at a time.";
    EngagedOrganizationsQuery, engaged_organizations
        "The organizations that engaged the acting one.";
    engaged_organization::list
);
