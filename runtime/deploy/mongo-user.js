// Runs once, when the database is made: the master's user, who may read and write its database and nothing else.
const database = process.env.DB_NAME;
db.getSiblingDB(database).createUser({
  user: "cloudai",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: database }],
});
