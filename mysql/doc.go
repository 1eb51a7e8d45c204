// Package mysql keeps the locks of leasehold in tables of MySQL or MariaDB.
package mysql
