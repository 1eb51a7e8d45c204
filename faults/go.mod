module github.com/leaseholdgo/leasehold/faults

go 1.26.0

require github.com/leaseholdgo/leasehold v0.0.0

replace github.com/leaseholdgo/leasehold => ..

replace github.com/leaseholdgo/leasehold/sqlite => ../sqlite

replace github.com/leaseholdgo/leasehold/postgres => ../postgres
