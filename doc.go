package leasehold
