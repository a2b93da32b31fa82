import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * HL7's instance validator over every file of a folder, in one process and without a network.
 *
 * Writes a line of JSON a file: its name, and the issues found, each with severity, messageId, where and text.
 */
public class Validate {
  private static Map<String, String> issue(String severity, String id, String where, String text) {
    Map<String, String> issue = new LinkedHashMap<>();
    issue.put("severity", severity);
    issue.put("id", id);
    issue.put("where", where);
    issue.put("text", text);
    return issue;
  }

  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    ValidationSupportChain chain = new ValidationSupportChain(
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context),
        new SnapshotGeneratingValidationSupport(context),
        unknown);
    FhirInstanceValidator instances = new FhirInstanceValidator(chain);
    instances.setNoTerminologyChecks(false);
    instances.setAnyExtensionsAllowed(true);
    instances.setErrorForUnknownProfiles(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(instances);
    ObjectMapper json = new ObjectMapper();

    List<Path> files;
    try (var found = Files.list(Path.of(arguments[0]))) {
      files = found.sorted().toList();
    }
    int done = 0;
    for (Path file : files) {
      List<Map<String, String>> issues = new ArrayList<>();
      try {
        for (SingleValidationMessage each : validator.validateWithResult(Files.readString(file)).getMessages()) {
          issues.add(issue(each.getSeverity().getCode(), each.getMessageId(), each.getLocationString(), each.getMessage()));
        }
      } catch (RuntimeException failed) {
        issues.add(issue("fatal", "VALIDATOR_FAILED", "", failed.toString()));
      }
      System.out.println(json.writeValueAsString(Map.of("file", file.getFileName().toString(), "issues", issues)));
      if (++done % 100 == 0 || done == files.size()) {
        System.err.println("validated " + done + " of " + files.size());
      }
    }
  }
}
