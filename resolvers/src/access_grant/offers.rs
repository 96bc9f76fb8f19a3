use crate::prelude::*;
use entities::access_grant::{self, AccessGrant};

lists!(
    access_grant: Offers of AccessGrant, across;
    "accessGrant/v1/offers" AccessGrantOffersInput
        "The open grants that others offer to the acting organization, a page at a time.";
    AccessGrantOffersQuery, access_grant_offers
        "The open grants that others offer to the acting organization, newest first. Each is accepted or declined.";
    access_grant::offers
);
