module postern.invalid/bench

go 1.19
