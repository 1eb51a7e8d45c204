module github.com/leaseholdgo/leasehold/sqlite

go 1.25.0

require github.com/leaseholdgo/leasehold v0.0.0

replace github.com/leaseholdgo/leasehold => ..
