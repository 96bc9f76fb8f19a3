//! The sorts of things that owners want done, and how urgent they are.

use schema::text_enum;

text_enum!(
    /// How urgent something is.
    Priority {
        /// Whenever there is time.
        Low = "LOW",
        /// In its turn.
        Normal = "NORMAL",
        /// Within days.
        High = "HIGH",
        /// At once: something is in danger, or gets worse by the hour.
        Urgent = "URGENT",
    }
);

text_enum!(
    /// The sort of thing that somebody wants done.
    Matter {
        /// Something is broken and shall be put right.
        Repair = "REPAIR",
        /// Regular upkeep, such as cleaning, the garden, a yearly service.
        Maintenance = "MAINTENANCE",
        /// Something new, or changed by choice.
        Improvement = "IMPROVEMENT",
        /// Somebody shall look at it and report.
        Inspection = "INSPECTION",
        /// The permission of an association.
        AssociationApproval = "ASSOCIATION_APPROVAL",
        /// A letter, a rule, a fine or a meeting of an association.
        AssociationNotice = "ASSOCIATION_NOTICE",
        /// Invoices, dues, payments, refunds.
        Bill = "BILL",
        /// Taxes on property.
        Tax = "TAX",
        /// Policies and claims.
        Insurance = "INSURANCE",
        /// Tenants, leases, rent, guests.
        Tenancy = "TENANCY",
        /// To buy, to sell, to refinance, to transfer.
        Transaction = "TRANSACTION",
        /// To find, to file, to sign or to explain a paper.
        Document = "DOCUMENT",
        /// Keys, locks and codes, visits, an empty house.
        Access = "ACCESS",
        Other = "OTHER",
    }
);

text_enum!(
    /// The field of work that a matter belongs to.
    MatterDomain {
        /// The work on a house.
        Property = "PROPERTY",
        /// What has to do with an association.
        Association = "ASSOCIATION",
        /// Money: bills, taxes, insurance.
        Finance = "FINANCE",
        /// Who lives there, and who may come in.
        Occupancy = "OCCUPANCY",
        /// Papers and transactions.
        Papers = "PAPERS",
        Other = "OTHER",
    }
);

impl Matter {
    /// The field of work that such a matter belongs to, as a rule.
    pub const fn domain(self) -> MatterDomain {
        match self {
            Matter::Repair | Matter::Maintenance | Matter::Improvement | Matter::Inspection => MatterDomain::Property,
            Matter::AssociationApproval | Matter::AssociationNotice => MatterDomain::Association,
            Matter::Bill | Matter::Tax | Matter::Insurance => MatterDomain::Finance,
            Matter::Tenancy | Matter::Access => MatterDomain::Occupancy,
            Matter::Transaction | Matter::Document => MatterDomain::Papers,
            Matter::Other => MatterDomain::Other,
        }
    }
}
