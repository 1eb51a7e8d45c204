module github.com/leaseholdgo/leasehold

go 1.25.0
