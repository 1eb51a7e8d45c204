module github.com/leaseholdgo/leasehold/mysql

go 1.25.0

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/leaseholdgo/leasehold v0.0.0
	go.uber.org/goleak v1.3.0
)

require filippo.io/edwards25519 v1.2.0 // indirect

replace github.com/leaseholdgo/leasehold => ..
