// cdk-nag over plain CloudFormation: `node nag.js <template>.json…` prints [{rule, resource, message}].
const path = require("path");
const cdk = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");
const nag = require("cdk-nag");

const PACKS = [nag.AwsSolutionsChecks, nag.NIST80053R5Checks, nag.ServerlessChecks];
const app = new cdk.App({ analyticsReporting: false });
for (const file of process.argv.slice(2)) {
  const stack = new cdk.Stack(app, path.basename(file, ".json"), { env: { region: "us-east-1", account: "123456789012" } });
  new CfnInclude(stack, "Template", { templateFile: file });
}

const findings = PACKS.flatMap((Pack) =>
  new Pack(app).validateScope(app).violations.flatMap(({ ruleName, description, violatingResources }) =>
    violatingResources.map(({ constructPath }) => ({
      rule: ruleName,
      resource: constructPath.replace("/Template/", "/"),
      message: description,
    })),
  ),
);
console.log(JSON.stringify(findings));
