// Connects as JavaMail does with the properties of each line of standard input (PORT, then NAME=VALUE, by blanks), and
// says for each whether connect() succeeded.

import jakarta.mail.Session;
import jakarta.mail.Transport;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Properties;

public class JavaMailConnect {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Properties properties = new Properties();
            String[] words = line.split(" ");
            for (int i = 1; i < words.length; i++) {
                int mark = words[i].indexOf('=');
                properties.setProperty(words[i].substring(0, mark), words[i].substring(mark + 1));
            }
            for (String name : new String[] {"mail.smtp.localhost", "mail.smtps.localhost"}) {
                properties.setProperty(name, "app.shop.example"); // else DNS is asked for this machine's name
            }
            Transport transport = Session.getInstance(properties).getTransport();
            String told = "connected";
            try (transport) {
                transport.connect("127.0.0.1", Integer.parseInt(words[0]), null, null);
            } catch (Exception refused) {
                told = "refused";
            }
            System.out.println(told);
            System.out.flush();
        }
    }
}
